/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/cgroup_path.h"
#include "model/cgroups.h"

#define CHAINS 1024U /* a power of two */

struct entry {
	struct cgroup cgroup;
	uint64_t met_ns;
	char *names;  /* that the cgroup points into, NULL: none */
	size_t bytes; /* of them */
	bool used;    /* by an owner */
	bool looked;  /* for a name, in vain */
	struct entry *next;
};

struct cgroups {
	struct entry *chains[CHAINS];
	size_t count, unnamed, bytes;
	uint64_t changes; /* of the owners, when they were last followed */
};

static const struct cgroup nothing = {
	.path = "", .unit = "", .user_unit = "", .slice = "", .container = "", .label = ""};

int cgroups_new(struct cgroups **ret)
{
	struct cgroups *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

static void entry_remove(struct cgroups *c, struct entry **link)
{
	struct entry *e = *link;

	*link = e->next;
	c->count--;
	c->unnamed -= !e->names && !e->looked;
	c->bytes -= e->bytes;
	free(e->names);
	free(e);
}

struct cgroups *cgroups_free(struct cgroups *c)
{
	for (unsigned i = 0; c && i < CHAINS; i++)
		while (c->chains[i])
			entry_remove(c, &c->chains[i]);
	free(c);
	return NULL;
}

static unsigned chain_of(uint64_t id)
{
	return (unsigned)((id * UINT64_C(0xff51afd7ed558ccd)) >> 32) & (CHAINS - 1);
}

static struct entry *find(const struct cgroups *c, uint64_t id)
{
	struct entry *e = c->chains[chain_of(id)];

	while (e && e->cgroup.id != id)
		e = e->next;
	return e;
}

static void use(struct cgroups *c, uint64_t id, uint64_t now_ns)
{
	struct entry *e = id ? find(c, id) : NULL;

	if (id && !e && c->count < CGROUPS_MAX) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return;
		e->cgroup = nothing;
		e->cgroup.id = id;
		e->met_ns = now_ns;
		e->next = c->chains[chain_of(id)];
		c->chains[chain_of(id)] = e;
		c->count++;
		c->unnamed++;
	}
	if (e)
		e->used = true;
}

static void forget_unused(struct cgroups *c)
{
	for (unsigned i = 0; i < CHAINS; i++)
		for (struct entry **link = &c->chains[i]; *link;) {
			if (!(*link)->used) {
				entry_remove(c, link);
				continue;
			}
			(*link)->used = false;
			link = &(*link)->next;
		}
}

void cgroups_follow(struct cgroups *c, const struct owners *owners, uint64_t now_ns)
{
	if (c->changes == owners_changes(owners))
		return;
	c->changes = owners_changes(owners);
	for (uint32_t i = 0; i < owners_end(owners); i++)
		if (owners_used(owners, i))
			use(c, owners_get(owners, i)->cgroup, now_ns);
	forget_unused(c);
}

bool cgroups_wants(const struct cgroups *c, uint64_t id)
{
	const struct entry *e = find(c, id);

	return e && !e->names;
}

static char *put(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = memcpy(*at, text, size);

	*at += size;
	return copy;
}

void cgroups_name(struct cgroups *c, uint64_t id, const char *path)
{
	struct entry *e = find(c, id);
	struct cgroup_names names;
	size_t bytes;
	char *at;

	if (!e || e->names)
		return;
	cgroup_path_parse(path, &names);
	bytes = strlen(path) + strlen(names.unit) + strlen(names.user_unit) + strlen(names.slice) +
		strlen(names.container) + strlen(names.label) + 6;
	if (bytes > CGROUPS_BYTES_MAX - c->bytes)
		return;
	e->names = at = malloc(bytes);
	if (!e->names)
		return;
	e->bytes = bytes;
	e->cgroup.path = put(&at, path);
	e->cgroup.unit = put(&at, names.unit);
	e->cgroup.user_unit = put(&at, names.user_unit);
	e->cgroup.slice = put(&at, names.slice);
	e->cgroup.container = put(&at, names.container);
	e->cgroup.label = put(&at, names.label);
	c->unnamed -= !e->looked;
	c->bytes += bytes;
}

void cgroups_named(struct cgroups *c, uint64_t begun_ns)
{
	for (unsigned i = 0; i < CHAINS; i++)
		for (struct entry *e = c->chains[i]; e; e = e->next) {
			if (e->names || e->looked || e->met_ns > begun_ns)
				continue;
			e->looked = true;
			c->unnamed--;
		}
}

size_t cgroups_unnamed(const struct cgroups *c)
{
	return c->unnamed;
}

const struct cgroup *cgroups_get(const struct cgroups *c, uint64_t id)
{
	const struct entry *e = find(c, id);

	return e ? &e->cgroup : &nothing;
}

const char *cgroup_label(const struct cgroup *g)
{
	if (*g->label)
		return g->label;
	return strcmp(g->path, "/") != 0 ? g->path : "";
}
