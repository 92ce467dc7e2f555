/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many things of a bounded number are whose, connections of the table or owners: where there is
 * no room for more, those who have the most give way, so that no user can take what others need.
 *
 * Uids that are handed out to a user by the range, for his containers, are one user here, or he
 * would be as many users as he likes. Things of which no uid is known are one user's too, and so
 * are those of who finds USERS_MAX others.
 */
#ifndef MODEL_USERS_H
#define MODEL_USERS_H

#include <stdint.h>

struct users;

#define USERS_MAX 4096U /* 56 KB */
#define USER_UNKNOWN 0U /* index of the one for all of whom nothing better is known */
#define UID_UNKNOWN UINT32_MAX

int users_new(struct users **ret); /* 0, -ENOMEM */
struct users *users_free(struct users *u);

/* The index of the uid's user, who has one more. uid: UID_UNKNOWN where it is not known. */
uint32_t users_take(struct users *u, uint32_t uid);
void users_drop(struct users *u, uint32_t index);
uint32_t users_count(const struct users *u, uint32_t index);
/* As they are now: that of the unknown where there are no others of the uid's. */
uint32_t users_find(const struct users *u, uint32_t uid);
/* Who has the most. O(users). */
uint32_t users_largest(const struct users *u);

#endif
