# SPDX-License-Identifier: GPL-2.0-or-later
"""What the bench does to the machine and reads from it: processes that end with the bench, network namespaces,
processor time, memory, the run times of BPF programs, HTTP. It knows nothing of what is compared with what."""

import contextlib
import ctypes
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
TERM_SECONDS = 10  # a process that SIGTERM has not ended by then is killed


def find_program(*places):
    """The first of these paths and names that is a program, or None."""
    return next((found for place in places if (found := shutil.which(place, path=SEARCH))), None)


def _enter_namespace(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")


@contextlib.contextmanager
def in_namespace_of(pid):
    """This process in the network namespace of another, for as long as the block lasts."""
    with open("/proc/self/ns/net", "rb") as own, open(f"/proc/{pid}/ns/net", "rb") as other:
        _enter_namespace(other.fileno())
        try:
            yield
        finally:
            _enter_namespace(own.fileno())


class Process:
    """A child that is ended, by its id, where its block ends, and that the kernel ends if the bench is killed."""

    def __init__(self, argv, namespace_of=None, **options):
        def prepare():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if namespace_of is not None:
                with open(f"/proc/{namespace_of}/ns/net", "rb") as other:
                    _enter_namespace(other.fileno())

        self.name = os.path.basename(argv[0])
        self.started = time.monotonic()
        self.popen = subprocess.Popen(argv, preexec_fn=prepare, text=True, **options)
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def check(self):
        if self.popen.poll() is not None:
            raise RuntimeError(f"{self.name} ended by itself, with status {self.popen.returncode}")

    def wait(self, seconds=60):
        """For its own end, without an error; when that was. Popen.wait() with a timeout looks again and again, after
        times that double: what takes 35 ms would be seen after 64."""
        fd = os.pidfd_open(self.pid)
        try:
            ended = select.select([fd], [], [], seconds)[0]
        finally:
            os.close(fd)
        now = time.monotonic()
        if not ended:
            raise TimeoutError(f"{self.name}: not within {seconds} s")
        if self.popen.wait():
            raise RuntimeError(f"{self.name} ended with status {self.popen.returncode}")
        return now

    def end(self):
        """Ends it by the end of its stdin, if that is ours, or else by SIGTERM."""
        if self.popen.stdin:
            self.popen.stdin.close()
        elif self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(TERM_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.popen.stdout:
            self.popen.stdout.close()

    def read_json(self):
        """The next line of its stdout."""
        line = self.popen.stdout.readline()
        if not line:
            self.popen.wait(TERM_SECONDS)
            self.check()
        return json.loads(line)

    def _family(self):
        pids = [self.pid]
        for pid in pids:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
                pids.extend(int(child) for child in file.read().split())
        return pids

    def cpu_seconds(self):
        """Of all its threads and children."""
        total = 0
        for pid in self._family():
            for task in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
        return total / 1e9

    def memory(self):
        """Bytes by the names that /proc/PID/status has: VmRSS, RssAnon, RssFile, VmHWM; of it and its children."""
        total = {}
        for pid in self._family():
            with open(f"/proc/{pid}/status") as file:
                for name, kib in re.findall(r"^(VmRSS|VmHWM|RssAnon|RssFile):\s+(\d+) kB", file.read(), re.M):
                    total[name] = total.get(name, 0) + int(kib) * 1024
        return total

    def bpf_programs(self):
        """{id: (run_time_ns, run_cnt)} of the BPF programs that it holds, by itself or through a link."""
        return bpf_programs(self.pid)


def bpf_programs(pid="self"):
    ids = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{fd}") as file:
            ids.update(re.findall(r"^prog_id:\s+(\d+)", file.read(), re.M))
    programs = {}
    for number in ids:
        with contextlib.suppress(subprocess.CalledProcessError):  # it has ended: of those that libbpf tries a kernel with
            program = bpftool("prog", "show", "id", number)
            programs[number] = (program.get("run_time_ns", 0), program.get("run_cnt", 0))
    return programs


def bpftool(*arguments):
    shown = subprocess.run([find_program("bpftool"), "--json", *arguments], check=True, capture_output=True, text=True)
    return json.loads(shown.stdout)


def tracepoint_programs():
    """How many BPF programs are attached to tracepoints, not counting those of perf events."""
    return sum(link["type"] == "raw_tracepoint" for link in bpftool("link", "show"))


def iterator_times(pid, target, repeats):
    """Of whole reads of an iterator that a process has attached, by what it iterates over."""
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    found = None
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{fd}") as file:
            text = file.read()
            if re.search(rf"^target_name:\s+{target}$", text, re.M):
                found = int(re.search(r"^link_id:\s+(\d+)", text, re.M)[1])
    link = libbpf.bpf_link_get_fd_by_id(found)
    times = []
    for _ in range(repeats):
        start = time.monotonic()
        iterator = libbpf.bpf_iter_create(link)
        if iterator < 0:
            raise OSError(ctypes.get_errno(), f"cannot read the iterator over {target}")
        while os.read(iterator, 32768):
            pass
        os.close(iterator)
        times.append(time.monotonic() - start)
    os.close(link)
    return times


class BpfObject:
    """A BPF object file with one program, attached while the block lasts."""

    def __init__(self, path):
        self.libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
        for name in ("bpf_object__open_file", "bpf_object__next_program", "bpf_program__attach"):
            getattr(self.libbpf, name).restype = ctypes.c_void_p
        self.object = ctypes.c_void_p(self.libbpf.bpf_object__open_file(path.encode(), None))
        if not self.object:
            raise OSError(ctypes.get_errno(), f"cannot open {os.path.basename(path)}")

    def __enter__(self):
        if self.libbpf.bpf_object__load(self.object) != 0:
            raise OSError(ctypes.get_errno(), "cannot load a BPF object")
        program = ctypes.c_void_p(self.libbpf.bpf_object__next_program(self.object, None))
        self.link = ctypes.c_void_p(self.libbpf.bpf_program__attach(program))
        if not self.link:
            raise OSError(ctypes.get_errno(), "cannot attach a BPF program")
        return self

    def __exit__(self, *_):
        self.libbpf.bpf_link__destroy(self.link)
        self.libbpf.bpf_object__close(self.object)


@contextlib.contextmanager
def bpf_statistics():
    """The kernel counts the run time of BPF programs while the block lasts; the sysctl stays as it is."""
    fd = ctypes.CDLL("libbpf.so.1", use_errno=True).bpf_enable_stats(0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "cannot have the kernel count the run time of BPF programs")
    try:
        yield
    finally:
        os.close(fd)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(connection, path):
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=30, pause=0.005):
    """The condition's first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise TimeoutError(f"{what}: not within {seconds} s")


def read_whole(path):
    """Reads a file and forgets it; its length."""
    length = 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(65536):
            length += len(block)
    return length


def read_counters(path, protocol):
    """The counters of a protocol in /proc/PID/net/snmp or netstat."""
    with open(path) as file:
        names, values = [line.split()[1:] for line in file if line.startswith(f"{protocol}: ")]
    return dict(zip(names, map(int, values)))


def available_memory():
    with open("/proc/meminfo") as file:
        return int(re.search(r"^MemAvailable:\s+(\d+)", file.read(), re.M)[1]) * 1024


def describe():
    """The machine in one line: nothing that names it."""
    with open("/proc/cpuinfo") as file:
        models = re.findall(r"^model name\s*:\s*(.*)", file.read(), re.M)
    with open("/proc/meminfo") as file:
        memory = int(re.search(r"^MemTotal:\s+(\d+)", file.read(), re.M)[1])
    system = os.uname()
    return (f"{models[0] if models else system.machine}, {os.cpu_count()} cores, {memory / 2**20:.0f} GiB of memory, "
            f"{system.sysname} {system.release}")
