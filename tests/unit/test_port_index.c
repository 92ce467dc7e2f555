/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "model/port_index.h"
#include "random.h"

#define NETNS 4026531833U

static void test_places(void **state)
{
	struct port_index x = {0};

	(void)state;
	assert_int_equal(port_index_find(&x, NETNS, 80), PORT_INDEX_NONE);
	assert_int_equal(port_index_add(&x, NETNS, 80), 0);
	assert_int_equal(port_index_add(&x, NETNS + 1, 80), 0);
	assert_int_equal(port_index_add(&x, NETNS, 0), 0);
	assert_int_equal(x.count, 3);
	assert_int_equal(port_index_find(&x, NETNS, 80), 0);
	assert_int_equal(port_index_find(&x, NETNS + 1, 80), 1);
	assert_int_equal(port_index_find(&x, NETNS, 0), 2);
	port_index_remove(&x, 0);
	assert_int_equal(port_index_find(&x, NETNS, 80), PORT_INDEX_NONE);
	assert_int_equal(port_index_find(&x, NETNS, 0), 0); /* the last took the place */
	assert_int_equal(port_index_find(&x, NETNS + 1, 80), 1);
	port_index_clear(&x);
	assert_int_equal(x.count, 0);
	assert_int_equal(port_index_find(&x, NETNS, 0), PORT_INDEX_NONE);
}

#define NAMESPACES 3U
#define PORTS 2000U /* with the namespaces: it grows seven times */
#define STEPS 20000U
#define NOWHERE UINT32_MAX

/* Against a plain array of where each is. */
static void test_random(void **state)
{
	static uint32_t places[NAMESPACES][PORTS], owners[NAMESPACES * PORTS];
	uint64_t seed = seed_first(), random = seed;
	struct port_index x = {0};

	(void)state;
	memset(places, 0xff, sizeof(places));
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t netns = random_below(&random, NAMESPACES);
		uint32_t port = random_below(&random, PORTS), *place = &places[netns][port];

		assert_seeded(seed, port_index_find(&x, NETNS + netns, (uint16_t)port) == *place);
		if (*place == NOWHERE) {
			*place = x.count;
			owners[x.count] = netns * PORTS + port;
			assert_int_equal(port_index_add(&x, NETNS + netns, (uint16_t)port), 0);
		} else {
			uint32_t last = owners[x.count - 1];

			port_index_remove(&x, *place);
			owners[*place] = last;
			places[last / PORTS][last % PORTS] = *place;
			*place = NOWHERE;
		}
	}
	port_index_clear(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
