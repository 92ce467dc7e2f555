/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP states, numbered as the kernel numbers them (enum in include/net/tcp_states.h) and named
 * as RFC 9293 section 3.3.2 and the kernel name them. The label is the word used in JSON, in
 * metrics and in the configuration: lower case, the same as node_exporter's.
 */
#ifndef TCPWATCH_TCP_STATE_H
#define TCPWATCH_TCP_STATE_H

#define TW_TCP_STATES(X)                 \
	X(1, ESTABLISHED, "established") \
	X(2, SYN_SENT, "syn_sent")       \
	X(3, SYN_RECV, "syn_recv")       \
	X(4, FIN_WAIT1, "fin_wait1")     \
	X(5, FIN_WAIT2, "fin_wait2")     \
	X(6, TIME_WAIT, "time_wait")     \
	X(7, CLOSE, "close")             \
	X(8, CLOSE_WAIT, "close_wait")   \
	X(9, LAST_ACK, "last_ack")       \
	X(10, LISTEN, "listen")          \
	X(11, CLOSING, "closing")

enum tw_tcp_state {
#define X(number, name, label) TW_##name = number,
	TW_TCP_STATES(X)
#undef X
};

#define TW_STATE_FIRST 1
#define TW_STATE_LAST 11
#define TW_STATE_SLOTS 12 /* length of an array indexed by state; slot 0 is never a state */

#define TW_FOR_EACH_STATE(state) \
	for (unsigned state = TW_STATE_FIRST; state <= TW_STATE_LAST; state++)

/* The bit of a state in a mask of states, as struct inet_diag_req wants it. */
#define TW_STATE_BIT(state) (1U << (state))
#define TW_STATES_ALL 0xffeU

#endif
