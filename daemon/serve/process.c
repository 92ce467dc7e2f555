/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "base/util.h"
#include "serve/process.h"

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* proc_pid_statm(5): pages, of the whole and of what is resident. */
static void read_memory(struct process *p)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/statm", "re");
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size, resident;

	if (!file || fscanf(file, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
		return;
	p->virtual_bytes = size * page;
	p->resident_bytes = resident * page;
}

static uint64_t count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint64_t count = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count - 1; /* without the directory's own */
}

void process_read(struct process *ret)
{
	struct process p = {0};
	struct rusage usage;
	struct rlimit limit;

	if (!getrusage(RUSAGE_SELF, &usage))
		p.cpu_seconds = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
	if (!getrlimit(RLIMIT_NOFILE, &limit))
		p.max_fds = limit.rlim_cur;
	p.open_fds = count_fds();
	read_memory(&p);
	*ret = p;
}
