/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many connections of the table are whose: when it is full, those who have the most make room
 * for those who have few, so that no user can take what the others need.
 *
 * Uids that are handed out to a user by the range, for his containers, are one user here, or he
 * would be as many users as he likes. Connections of which no uid is known are one user too, and so
 * are those of who finds USERS_MAX others.
 */
#ifndef MODEL_USERS_H
#define MODEL_USERS_H

#include <stdint.h>

struct users;

#define USERS_MAX 4096U /* 56 KB */
#define USER_UNKNOWN 0U /* index of the one for all of whom nothing better is known */

int users_new(struct users **ret); /* 0, -ENOMEM */
struct users *users_free(struct users *u);

/* The index of the uid's user, who has one connection more. uid: UID_UNKNOWN where it is not known.
 */
uint32_t users_take(struct users *u, uint32_t uid);
void users_drop(struct users *u, uint32_t index);
uint32_t users_connections(const struct users *u, uint32_t index);
/* Who has the most. O(users). */
uint32_t users_largest(const struct users *u);

#endif
