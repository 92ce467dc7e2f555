/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flood: SYNs through a raw socket, as fast as one thread can send them or at a rate, to one
 * address in the network namespace in which it runs, and to an end: of time and of number. Nobody
 * has the addresses that they seem to come from, so that nothing answers the SYN-ACKs and each SYN
 * leaves a half-open connection or gets a cookie. The receiving end is to have a route back.
 *
 * Prints a line once it is ready, and a line of JSON with what it sent at its end.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/util.h"
#include "loopback.h"

#define SECONDS_MAX 120
#define COUNT_MAX 100000000 /* what two cores take many minutes for */
#define RATE_MAX 1000000
#define BATCH 64       /* SYNs by one call */
#define RATE_STEPS 100 /* portions a second, where there is a rate */
#define PORT_MIN 1024  /* of the ports that they seem to come from */
#define HOP_LIMIT 64

struct settings {
	struct sockaddr_storage to;
	uint16_t port;
	uint8_t from[16];   /* IPv4 in the first 4 bytes */
	unsigned from_bits; /* of it that stay as they are; 0: any address */
	uint64_t seconds, count, rate, seed;
	bool wait;
};

struct segment {
	union {
		struct iphdr v4;
		struct ip6_hdr v6;
	} ip;
	struct tcphdr tcp;
};

struct generator {
	const struct settings *settings;
	int fd;
	bool v6;
	uint64_t random;
	struct segment segments[BATCH];
	struct iovec vectors[BATCH][2];
	struct mmsghdr messages[BATCH];
	uint64_t sent, refused;
};

/* xorshift64: as good as this needs, and next to nothing beside a packet's way. */
static uint64_t next_random(struct generator *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return g->random;
}

static uint32_t add_words(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

/* RFC 9293, 3.1: over the pseudo-header and the segment, which has no data. */
static uint16_t checksum(const struct tcphdr *tcp, const void *addresses, size_t size)
{
	uint32_t sum = add_words(htons(IPPROTO_TCP) + htons(sizeof(*tcp)), addresses, size);

	sum = add_words(sum, tcp, sizeof(*tcp));
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* An address that a host on the Internet may have: 1.0.0.0 to 223.255.255.255 without 127.0.0.0/8.
 */
static bool is_unicast(uint32_t host_order)
{
	uint32_t first = host_order >> 24;

	return first >= 1 && first <= 223 && first != 127;
}

static uint32_t source_ipv4(struct generator *g)
{
	uint32_t mask = g->settings->from_bits ? UINT32_MAX << (32 - g->settings->from_bits) : 0;
	uint32_t address, from;

	memcpy(&from, g->settings->from, sizeof(from));
	do
		address = (ntohl(from) & mask) | ((uint32_t)(next_random(g) >> 16) & ~mask);
	while (!is_unicast(address));
	return htonl(address);
}

/* The first bits from the settings; of 2000::/3 where they say none. */
static void source_ipv6(struct generator *g, uint8_t ret[16])
{
	unsigned bits = g->settings->from_bits;
	uint64_t random[2] = {next_random(g), next_random(g)};

	memcpy(ret, random, 16);
	for (unsigned i = 0; i < 16 && bits; i++) {
		unsigned taken = bits < 8 ? bits : 8;
		uint8_t mask = (uint8_t)(0xff00 >> taken);

		ret[i] = (g->settings->from[i] & mask) | (ret[i] & (uint8_t)~mask);
		bits -= taken;
	}
	if (!g->settings->from_bits)
		ret[0] = 0x20 | (ret[0] & 0x1f);
}

static void refill(struct generator *g, struct segment *s)
{
	uint64_t random = next_random(g);

	s->tcp.source = htons((uint16_t)(PORT_MIN + random % (65536 - PORT_MIN)));
	s->tcp.seq = (uint32_t)(random >> 32);
	s->tcp.check = 0;
	if (g->v6) {
		source_ipv6(g, s->ip.v6.ip6_src.s6_addr);
		s->tcp.check = checksum(&s->tcp, &s->ip.v6.ip6_src, 32);
	} else {
		s->ip.v4.saddr = source_ipv4(g);
		s->tcp.check = checksum(&s->tcp, &s->ip.v4.saddr, 8);
	}
}

/* The kernel fills in the IPv4 header's checksum and, where it is 0, its identification. */
static void fill_ip(const struct generator *g, struct segment *s)
{
	const struct sockaddr_in *to4 = (const struct sockaddr_in *)&g->settings->to;
	const struct sockaddr_in6 *to6 = (const struct sockaddr_in6 *)&g->settings->to;

	if (g->v6)
		s->ip.v6 = (struct ip6_hdr){.ip6_flow = htonl(6U << 28),
					    .ip6_plen = htons(sizeof(s->tcp)),
					    .ip6_nxt = IPPROTO_TCP,
					    .ip6_hlim = HOP_LIMIT,
					    .ip6_dst = to6->sin6_addr};
	else
		s->ip.v4 = (struct iphdr){.version = 4,
					  .ihl = sizeof(s->ip.v4) / 4,
					  .tot_len = htons(sizeof(s->ip.v4) + sizeof(s->tcp)),
					  .ttl = HOP_LIMIT,
					  .protocol = IPPROTO_TCP,
					  .daddr = to4->sin_addr.s_addr};
}

static void fill(struct generator *g, size_t index)
{
	struct segment *s = &g->segments[index];
	size_t ip_size = g->v6 ? sizeof(s->ip.v6) : sizeof(s->ip.v4);

	fill_ip(g, s);
	s->tcp = (struct tcphdr){.dest = htons(g->settings->port),
				 .doff = sizeof(s->tcp) / 4,
				 .syn = 1,
				 .window = htons(65535)};
	g->vectors[index][0] = (struct iovec){.iov_base = &s->ip, .iov_len = ip_size};
	g->vectors[index][1] = (struct iovec){.iov_base = &s->tcp, .iov_len = sizeof(s->tcp)};
	g->messages[index].msg_hdr = (struct msghdr){
		.msg_name = (void *)&g->settings->to,
		.msg_namelen = g->v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
		.msg_iov = g->vectors[index],
		.msg_iovlen = 2,
	};
}

static void open_generator(struct generator *g, const struct settings *settings)
{
	*g = (struct generator){.settings = settings,
				.v6 = settings->to.ss_family == AF_INET6,
				.random = settings->seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
	g->fd = socket(settings->to.ss_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (g->fd < 0)
		err(1, "cannot open a raw socket (root is needed)");
	for (size_t i = 0; i < BATCH; i++)
		fill(g, i);
}

static void send_batch(struct generator *g, size_t count)
{
	int sent;

	for (size_t i = 0; i < count; i++)
		refill(g, &g->segments[i]);
	sent = sendmmsg(g->fd, g->messages, (unsigned)count, 0);
	if (sent < 0 && errno != ENOBUFS)
		err(1, "cannot send SYNs");
	g->sent += sent < 0 ? 0 : (uint64_t)sent;
	g->refused += count - (sent < 0 ? 0 : (uint64_t)sent);
}

static void sleep_until(uint64_t time_ns)
{
	const struct timespec time = {.tv_sec = (time_t)(time_ns / NSEC_PER_SEC),
				      .tv_nsec = (long)(time_ns % NSEC_PER_SEC)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* How many are to have been sent by now. */
static uint64_t due(const struct settings *settings, uint64_t since_ns)
{
	uint64_t steps = since_ns / (NSEC_PER_SEC / RATE_STEPS) + 1, count;

	if (!settings->rate)
		return settings->count;
	count = steps * settings->rate / RATE_STEPS;
	return count < settings->count ? count : settings->count;
}

static void run(struct generator *g)
{
	const struct settings *settings = g->settings;
	uint64_t start_ns = now_ns(CLOCK_MONOTONIC), time_ns = start_ns;
	uint64_t end_ns = start_ns + settings->seconds * NSEC_PER_SEC, step = 0;

	while (g->sent < settings->count && time_ns < end_ns) {
		uint64_t wanted = due(settings, time_ns - start_ns) - g->sent;

		if (wanted)
			send_batch(g, wanted < BATCH ? wanted : BATCH);
		else
			sleep_until(start_ns + ++step * (NSEC_PER_SEC / RATE_STEPS));
		time_ns = now_ns(CLOCK_MONOTONIC);
	}
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static const struct option options[] = {
	{"to", required_argument, NULL, 't'},    {"port", required_argument, NULL, 'p'},
	{"from", required_argument, NULL, 'f'},  {"seconds", required_argument, NULL, 's'},
	{"count", required_argument, NULL, 'c'}, {"rate", required_argument, NULL, 'r'},
	{"seed", required_argument, NULL, 'x'},  {"wait", no_argument, NULL, 'w'},
	{"help", no_argument, NULL, 'h'},        {},
};

static const char usage[] =
	"Usage: flood --to ADDRESS --port PORT [--from PREFIX/BITS] [--seconds N] [--count N]\n"
	"             [--rate N] [--seed N] [--wait]\n"
	"Sends SYNs from the network namespace that it runs in.\n"
	"  --to ADDRESS        IPv4 or IPv6\n"
	"  --from PREFIX/BITS  source addresses, at random out of it (any)\n"
	"  --seconds N         end after N seconds (3)\n"
	"  --count N           end after N SYNs (100000000)\n"
	"  --rate N            so many a second (as many as can be)\n"
	"  --seed N            of the random numbers (1)\n"
	"  --wait              begin at the first line on stdin; end without one when stdin ends\n";

static void parse_to(const char *text, struct settings *ret)
{
	struct sockaddr_in *to4 = (struct sockaddr_in *)&ret->to;
	struct sockaddr_in6 *to6 = (struct sockaddr_in6 *)&ret->to;

	if (inet_pton(AF_INET, text, &to4->sin_addr) == 1)
		ret->to.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &to6->sin6_addr) == 1)
		ret->to.ss_family = AF_INET6;
	else
		errx(2, "--to wants an address, not '%s'", text);
}

/* Once the family is known. */
static void parse_from(const char *text, struct settings *ret)
{
	bool v6 = ret->to.ss_family == AF_INET6;
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN] = "";

	if (slash && (size_t)(slash - text) < sizeof(address))
		memcpy(address, text, (size_t)(slash - text));
	if (!slash || inet_pton(ret->to.ss_family, address, ret->from) != 1)
		errx(2, "--from wants a prefix of the family of --to, as %s, not '%s'",
		     v6 ? "2001:db8::/64" : "198.51.100.0/24", text);
	ret->from_bits = (unsigned)loopback_number("--from", slash + 1, 1, v6 ? 128 : 32);
}

static void parse(int argc, char **argv, struct settings *ret)
{
	const char *from = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 't') {
			parse_to(optarg, ret);
		} else if (c == 'p') {
			ret->port = (uint16_t)loopback_number("--port", optarg, 1, UINT16_MAX);
		} else if (c == 'f') {
			from = optarg;
		} else if (c == 's') {
			ret->seconds = loopback_number("--seconds", optarg, 1, SECONDS_MAX);
		} else if (c == 'c') {
			ret->count = loopback_number("--count", optarg, 1, COUNT_MAX);
		} else if (c == 'r') {
			ret->rate = loopback_number("--rate", optarg, RATE_STEPS, RATE_MAX);
		} else if (c == 'x') {
			ret->seed = loopback_number("--seed", optarg, 1, UINT32_MAX);
		} else if (c == 'w') {
			ret->wait = true;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (!ret->to.ss_family || !ret->port)
		errx(2, "--to and --port are needed; --help tells more");
	if (from)
		parse_from(from, ret);
}

int main(int argc, char **argv)
{
	struct settings settings = {.seconds = 3, .count = COUNT_MAX, .seed = 1};
	struct generator generator;
	uint64_t start_ns;

	parse(argc, argv, &settings);
	open_generator(&generator, &settings);
	printf("{}\n");
	fflush(stdout);
	if (settings.wait && getchar() == EOF)
		return 0;
	start_ns = now_ns(CLOCK_MONOTONIC);
	run(&generator);
	printf("{\"sent\":%ju,\"refused\":%ju,\"seconds\":%.6f,\"cpu_seconds\":%.3f}\n",
	       (uintmax_t)generator.sent, (uintmax_t)generator.refused,
	       (double)(now_ns(CLOCK_MONOTONIC) - start_ns) / 1e9, cpu_seconds());
	return 0;
}
