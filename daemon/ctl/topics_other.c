/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways through the states, and what belongs to no single one. */
#include "base/util.h"
#include "ctl/topics.h"

const struct topic topics_other[] = {
	{
		"client-path",
		"client",
		"the states of the side that connects",
		{
			{"the way",
			 "       connect()\n"
			 "   close ------> syn_sent ------> established\n"
			 "           SYN            SYN-ACK, ACK\n"
			 " \n"
			 "  closing first:\n"
			 "   established ------> fin_wait1 ------> fin_wait2 ------> time_wait\n"
			 "          close(), FIN           ACK             FIN, ACK\n"
			 " \n"
			 "  closing second:\n"
			 "   established ------> close_wait ------> last_ack ------> gone\n"
			 "            FIN, ACK          close(), FIN         ACK"},
			{"so", "Whoever closes first gets time_wait. A client that asks, reads the "
			       "answer to its end and then closes leaves time_wait to the server "
			       "that ended the answer by closing."},
			{"look at", " tcpwatchctl watch --port 443"},
		},
	},
	{
		"server-path",
		"server",
		"the states of the side that listens",
		{
			{"the way",
			 "      listen()\n"
			 "   close ----> listen\n"
			 " \n"
			 "  for each peer, beside the listener:\n"
			 "   syn_recv ------> established, in the accept queue\n"
			 "      SYN, SYN-ACK       ACK            accept()\n"
			 " \n"
			 "  then as for the client, most often closing second:\n"
			 "   established ------> close_wait ------> last_ack ------> gone"},
			{"so", "A connection is established before the program knows of it: with "
			       "the final acknowledgment it enters the accept queue, and the peer "
			       "may send and even close before accept(). See unaccepted."},
			{"look at", " tcpwatchctl listeners --watch"},
		},
	},
	{
		"half-close",
		"halfclose",
		"one side has closed, the other goes on sending",
		{
			{"what it is",
			 "Each direction is closed by itself. shutdown(SHUT_WR) says \"I "
			 "have nothing more to send\" and still reads: that side goes to "
			 "fin_wait2, the other to close_wait, and data may flow on from "
			 "there for as long as it likes."},
			{"so", "fin_wait2 with a process that holds it, and close_wait with an "
			       "active one, may be meant so: rsh, proxies, some uploads do it. It "
			       "has no time limit. After close(), where nobody reads any more, the "
			       "kernel gives up after tcp_fin_timeout, and answers data with a "
			       "reset."},
			{"look at", " tcpwatchctl list --state fin_wait2,close_wait --sort age\n"
				    "Old ones in one program are a leak, whatever was meant."},
		},
	},
	{
		"simultaneous-open",
		NULL,
		"both sides connect to each other at the same moment",
		{
			{"the way",
			 "   close ------> syn_sent ------> syn_recv ------> established\n"
			 "           SYN         SYN, SYN-ACK        ACK"},
			{"what it is",
			 "Both send a SYN from and to the same ports, and the SYNs "
			 "cross: the result is one connection and no listener. It wants "
			 "both local ports chosen by bind(), as in hole punching; or a "
			 "socket that by chance connects to itself."},
			{"so", "But for Fast Open this is the one way to a syn_recv that is a "
			       "whole socket with an "
			       "owner and not a request of a listener."},
		},
	},
	{
		"simultaneous-close",
		NULL,
		"both sides close at the same moment",
		{
			{"the way",
			 "   established ------> fin_wait1 ------> closing ------> time_wait\n"
			 "          close(), FIN         FIN, ACK           ACK"},
			{"what it is", "Both send a FIN before they see the other's. Both come "
				       "through closing, and both end in time_wait."},
			{"so", "Harmless; it shows after time-outs of the same length on both "
			       "sides."},
		},
	},
	{
		"2msl",
		"msl tw_recycle tcp_tw_recycle",
		"why time_wait lasts as long as it does",
		{
			{"what it is", "MSL is the longest time that a segment may live in the "
				       "network; RFC 9293 says 2 minutes, Linux waits 60 s in all. "
				       "Twice that time is for a segment and an answer to it."},
			{"what for",
			 "First, the last acknowledgment may be lost: then the peer sends "
			 "its FIN again, and someone must answer other than by a reset. "
			 "Second, a new connection of the same addresses and ports must "
			 "not take late segments of the old one for its own."},
			{"so",
			 "With timestamps (RFC 6191, RFC 7323) old and new can be told apart, "
			 "so that a new connection may take the place of one in time_wait: "
			 "for connect() by tcp_tw_reuse (1: all, 2: loopback alone, which is "
			 "the default), for incoming SYNs always."},
			{"beware",
			 "tcp_tw_recycle dropped time_wait after a moment and refused "
			 "peers whose timestamps went back, as those of several clients "
			 "behind one NAT do. Linux 4.12 removed it. SO_LINGER with 0 "
			 "avoids time_wait by a reset, which may cost the peer its data."},
		},
	},
	{
		"syn-cookies",
		"syncookies cookies",
		"connections that are not kept until they are open",
		{
			{"what it is",
			 "When the SYN queue is full, the kernel answers a SYN and keeps "
			 "nothing: what it must know is in the sequence number of the "
			 "SYN-ACK, and comes back with the final acknowledgment."},
			{"so", "A flood then no longer shows in syn_recv, which stops at the "
			       "backlog. What shows it: SYNs and cookies a second. Some options "
			       "(window scale, SACK) survive with timestamps alone, and a final "
			       "acknowledgment that is lost is not asked for again."},
			{"look at", " tcpwatchctl listeners --watch\n"
				    " tcpwatchctl doctor"},
			{"change",
			 "Leave tcp_syncookies at 1: it acts when the queue is full and "
			 "not before. Cookies without a flood mean a backlog that is too "
			 "small or a program that does not accept(). 2 is for tests; with 0 "
			 "a full queue drops SYNs."},
		},
	},
	{
		"unaccepted",
		"accept_queue accept-queue",
		"open, and not taken by the program",
		{
			{"what it is",
			 "The kernel has finished the handshake, and the connection "
			 "waits in the listener's accept queue. It is established, or "
			 "close_wait once the peer has given up, and belongs to no "
			 "process yet."},
			{"piles up",
			 "The program calls accept() too seldom: busy, blocked, out of "
			 "descriptors (EMFILE), or stopped. This is not a leak: it does "
			 "not forget to close, it never opened."},
			{"look at",
			 " tcpwatchctl listeners --watch\n"
			 " tcpwatchctl list --state close_wait --sort age\n"
			 " grep -i 'open files' /proc/PID/limits; ls /proc/PID/fd | wc -l\n"
			 "When the queue is full, the kernel drops final acknowledgments and "
			 "new SYNs (ListenOverflows), and clients see time-outs."},
			{"change",
			 "The program: more workers, a loop that does nothing but accept(), "
			 "more descriptors. Then the backlog of listen(), and somaxconn. A "
			 "larger queue makes clients wait for longer, it serves nobody "
			 "faster. tcp_abort_on_overflow = 1 tells them at once by a reset."},
		},
	},
};
const size_t topics_other_count = ARRAY_SIZE(topics_other);
