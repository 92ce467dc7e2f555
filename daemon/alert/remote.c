/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/remote.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define IPV6_BYTES 8 /* of a /64 */

void remote_key(bool ipv6, const uint8_t address[16], uint64_t ret[2])
{
	uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};

	if (ipv6)
		memcpy(bytes, address, sizeof(bytes));
	else
		memcpy(bytes + 12, address, 4);
	memcpy(ret, bytes, sizeof(bytes));
}

static bool is_ipv4(const uint64_t key[2])
{
	struct in6_addr address;

	memcpy(&address, key, sizeof(address));
	return IN6_IS_ADDR_V4MAPPED(&address);
}

void remote_prefix(const uint64_t key[2], uint64_t ret[2])
{
	uint8_t bytes[16];

	memcpy(bytes, key, sizeof(bytes));
	if (is_ipv4(key))
		bytes[15] = 0;
	else
		memset(bytes + IPV6_BYTES, 0, sizeof(bytes) - IPV6_BYTES);
	memcpy(ret, bytes, sizeof(bytes));
}

bool remote_parse(const char *text, uint64_t ret[2])
{
	char word[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, " ");
	uint8_t address[16];

	if (length >= sizeof(word))
		return false;
	snprintf(word, sizeof(word), "%.*s", (int)length, text);
	if (inet_pton(AF_INET, word, address) == 1)
		remote_key(false, address, ret);
	else if (inet_pton(AF_INET6, word, address) == 1)
		remote_key(true, address, ret);
	else
		return false;
	return true;
}

void remote_format(const uint64_t key[2], char text[static REMOTE_TEXT_SIZE])
{
	const uint8_t *bytes = (const uint8_t *)key;
	bool ipv4 = is_ipv4(key);

	inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? bytes + 12 : bytes, text, REMOTE_TEXT_SIZE);
}

void remote_format_prefix(const uint64_t key[2], char text[static REMOTE_TEXT_SIZE])
{
	size_t used;

	remote_format(key, text);
	used = strlen(text);
	snprintf(text + used, REMOTE_TEXT_SIZE - used, is_ipv4(key) ? "/24" : "/64");
}
