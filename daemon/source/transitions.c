/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "base/util.h"
#include "bpf/transitions.skel.h"
#include "source/rings.h"
#include "source/transitions.h"

/* A processor makes at most some 100,000 transitions a second: 100 ms of them in 1 MiB. */
#define RING_PER_CPU (UINT64_C(1) << 20)
#define RING_MIN (UINT64_C(2) << 20)
#define RING_MAX (UINT64_C(64) << 20)
#define RINGS_MAX 64             /* more processors than this share them */
#define RING_SHARE_MIN (4 << 10) /* and a ring has this much, and a page */
#define BTF_PATH "/sys/kernel/btf/vmlinux"
#define VERIFIER_LOG_SIZE (256U << 10) /* a program of some hundred instructions has 30 KB */

struct transitions {
	struct transitions_bpf *skeleton;
	struct rings *rings;
	int ring_fds[RINGS_MAX]; /* their maps */
	size_t ring_count;
	int epoll_fd; /* of them all */
	transitions_event_fn *on_event;
	void *userdata;
	struct tw_cpu *cpus; /* one for each processor, mapped from the kernel */
	size_t cpu_count;
};

/* libbpf tells the cause only in its messages: the first warning, which what fails because of it
 * follows. */
static char cause[TRANSITIONS_REASON_SIZE];

static int keep_warning(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN && !cause[0]) {
		vsnprintf(cause, sizeof(cause), format, arguments);
		cause[strcspn(cause, "\n")] = '\0';
	}
	return 0;
}

/* Where the kernel, once it has refused the program, says at which instruction and why. */
static char verifier_log[VERIFIER_LOG_SIZE];

/* The log's last line but for the verifier's sums: closer to the cause than what libbpf says. */
static void keep_verifier_line(void)
{
	char *rest, *line = strtok_r(verifier_log, "\n", &rest);

	for (; line; line = strtok_r(NULL, "\n", &rest))
		if (strncmp(line, "processed ", strlen("processed ")))
			snprintf(cause, sizeof(cause), "%s", line);
}

/* Whether CLOCK_MONOTONIC is another here than that of the records: time_namespaces(7). */
static bool has_other_clock(void)
{
	FILE *f = fopen("/proc/self/timens_offsets", "re");
	long long seconds, nanoseconds;
	bool other;

	if (!f)
		return false; /* a kernel without such namespaces */
	other = fscanf(f, "monotonic %lld %lld", &seconds, &nanoseconds) == 2 &&
		(seconds || nanoseconds);
	fclose(f);
	return other;
}

static void explain(int error, char reason[TRANSITIONS_REASON_SIZE])
{
	if (error == -EXDEV)
		snprintf(reason, TRANSITIONS_REASON_SIZE,
			 "tcpwatchd is in a time namespace with a clock of its own, and the kernel "
			 "tells transitions by the host's: start it outside");
	else if (error == -ESRCH)
		snprintf(reason, TRANSITIONS_REASON_SIZE,
			 "BPF finds no use in %s: the kernel's BTF there is damaged, or lacks the "
			 "tracepoint inet_sock_set_state",
			 BTF_PATH);
	else if (access(BTF_PATH, R_OK) < 0)
		snprintf(reason, TRANSITIONS_REASON_SIZE,
			 "%s cannot be read (%s): the kernel must be built with "
			 "CONFIG_DEBUG_INFO_BTF",
			 BTF_PATH, strerror(errno));
	else if (error == -EPERM)
		snprintf(reason, TRANSITIONS_REASON_SIZE,
			 "the kernel refuses BPF to this process (%s): run as root, or grant "
			 "CAP_BPF and "
			 "CAP_PERFMON",
			 strerror(-error));
	else
		snprintf(
			reason, TRANSITIONS_REASON_SIZE,
			"the kernel does not take the BPF program, which needs Linux 5.15 or later "
			"(%s: %.140s)",
			strerror(-error), cause);
}

static uint64_t default_ring_size(int processors)
{
	uint64_t size = RING_MIN;

	while (size < RING_MAX && size < RING_PER_CPU * (uint64_t)processors)
		size *= 2;
	return size;
}

static void on_record(const void *record, size_t size, void *userdata)
{
	const struct transitions *t = userdata;

	if (size == sizeof(struct tw_event))
		t->on_event(record, t->userdata);
}

/* A power of two of them, so many that each processor has its own. */
static size_t count_rings(uint64_t size)
{
	uint64_t least = (uint64_t)sysconf(_SC_PAGESIZE);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = 1;

	if (least < RING_SHARE_MIN)
		least = RING_SHARE_MIN;
	while ((long)count < processors && count < RINGS_MAX && size / (2 * count) >= least)
		count *= 2;
	return count;
}

static int add_ring(struct transitions *t, size_t size)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, (uint32_t)size, NULL);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	uint32_t index = (uint32_t)t->ring_count;

	if (fd < 0) {
		int error = -errno;

		snprintf(cause, sizeof(cause), "no ring buffer of %zu bytes", size);
		return error;
	}
	t->ring_fds[t->ring_count++] = fd;
	if (bpf_map_update_elem(bpf_map__fd(t->skeleton->maps.rings), &index, &fd, BPF_ANY) < 0 ||
	    epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	return 0;
}

static int make_rings(struct transitions *t, size_t count, size_t size)
{
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll_fd < 0)
		return -errno;
	while (t->ring_count < count) {
		int error = add_ring(t, size);

		if (error < 0)
			return error;
	}
	return rings_new(t->ring_fds, count, size, on_record, t, &t->rings);
}

static size_t cpus_bytes(const struct transitions *t)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (t->cpu_count * sizeof(*t->cpus) + page - 1) / page * page;
}

/* The kernel runs them in the order in which they were attached (tracepoint_add_func()). */
static int attach(struct transitions *t)
{
	struct transitions_bpf *s = t->skeleton;

	s->links.transitions = bpf_program__attach(s->progs.transitions);
	if (s->links.transitions)
		s->links.missed = bpf_program__attach(s->progs.missed);
	return s->links.missed ? 0 : -errno;
}

static int load(struct transitions *t, uint64_t ring_size, uint32_t only_netns)
{
	int processors = libbpf_num_possible_cpus();
	struct transitions_bpf *s;
	size_t rings;
	int error;

	if (processors < 0)
		return processors;
	if (has_other_clock())
		return -EXDEV;
	if (!ring_size)
		ring_size = default_ring_size(processors);
	rings = count_rings(ring_size);
	ring_size /= rings;
	s = t->skeleton = transitions_bpf__open();
	if (!s)
		return -errno;
	s->rodata->wake_bytes = ring_size / 4;
	s->rodata->only_netns = only_netns;
	s->rodata->ring_mask = (uint32_t)rings - 1;
	bpf_map__set_max_entries(s->maps.rings, (uint32_t)rings);
	bpf_map__set_max_entries(s->maps.cpus, (uint32_t)processors);
	bpf_program__set_log_buf(s->progs.transitions, verifier_log, sizeof(verifier_log));
	error = transitions_bpf__load(s);
	if (error < 0) {
		keep_verifier_line();
		return error;
	}
	t->cpu_count = (size_t)processors;
	t->cpus = mmap(NULL, cpus_bytes(t), PROT_READ, MAP_SHARED, bpf_map__fd(s->maps.cpus), 0);
	if (t->cpus == MAP_FAILED) {
		t->cpus = NULL;
		return -errno;
	}
	error = make_rings(t, rings, ring_size);
	return error < 0 ? error : attach(t);
}

int transitions_new(uint64_t ring_size, uint32_t only_netns, transitions_event_fn *on_event,
		    void *userdata, char reason[TRANSITIONS_REASON_SIZE], struct transitions **ret)
{
	struct transitions *t = calloc(1, sizeof(*t));
	int error;

	if (!t)
		return -ENOMEM;
	t->epoll_fd = -1;
	t->on_event = on_event;
	t->userdata = userdata;
	libbpf_set_print(keep_warning);
	error = load(t, ring_size, only_netns);
	if (error < 0) {
		explain(error, reason);
		transitions_free(t);
		return error;
	}
	*ret = t;
	return 0;
}

struct transitions *transitions_free(struct transitions *t)
{
	if (!t)
		return NULL;
	rings_free(t->rings);
	while (t->ring_count)
		close(t->ring_fds[--t->ring_count]);
	if (t->epoll_fd >= 0)
		close(t->epoll_fd);
	if (t->cpus)
		munmap(t->cpus, cpus_bytes(t));
	transitions_bpf__destroy(t->skeleton);
	free(t);
	return NULL;
}

int transitions_fd(const struct transitions *t)
{
	return t->epoll_fd;
}

int transitions_listeners_fd(const struct transitions *t)
{
	return bpf_map__fd(t->skeleton->maps.listeners);
}

size_t transitions_drain(struct transitions *t, size_t limit)
{
	__atomic_store_n(&t->skeleton->bss->woken, 0, __ATOMIC_SEQ_CST);
	return rings_consume(t->rings, now_ns(CLOCK_MONOTONIC), limit);
}

bool transitions_behind(const struct transitions *t)
{
	return rings_behind(t->rings);
}

uint64_t transitions_lost(const struct transitions *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->cpu_count; i++)
		sum += __atomic_load_n(&t->cpus[i].lost, __ATOMIC_RELAXED);
	return sum;
}

uint64_t transitions_not_run(const struct transitions *t)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(t->skeleton->progs.transitions), &info, &size) <
	    0)
		return 0;
	return info.recursion_misses;
}

int transitions_costs(const struct transitions *t,
		      struct transitions_cost ret[TRANSITIONS_PROGRAMS])
{
	const struct bpf_program *programs[TRANSITIONS_PROGRAMS] = {t->skeleton->progs.transitions,
								    t->skeleton->progs.missed};
	struct transitions_cost costs[TRANSITIONS_PROGRAMS];

	for (size_t i = 0; i < TRANSITIONS_PROGRAMS; i++) {
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(programs[i]), &info, &size) < 0)
			return -errno;
		costs[i] = (struct transitions_cost){.program = bpf_program__name(programs[i]),
						     .run_ns = info.run_time_ns,
						     .runs = info.run_cnt};
	}
	memcpy(ret, costs, sizeof(costs));
	return 0;
}
