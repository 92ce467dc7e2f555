/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/resident.h"

/* A writable segment has relocations in it, which are in no file. */
static int trim(struct dl_phdr_info *object, size_t size, void *userdata)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size, (void)userdata;
	if (*object->dlpi_name && *object->dlpi_name != '/')
		return 0; /* the vDSO, which is in no file either */
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t begin = object->dlpi_addr + segment->p_vaddr, end;

		if (segment->p_type != PT_LOAD || segment->p_flags & PF_W)
			continue;
		end = (begin + segment->p_memsz + page - 1) & ~(page - 1);
		begin &= ~(page - 1);
		madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return 0;
}

void resident_trim(void)
{
	malloc_trim(0);
	dl_iterate_phdr(trim, NULL);
}
