/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The eleven states. */
#include "base/util.h"
#include "ctl/topics.h"

#define IS "what it is"
#define MOVES "moves on"
#define MANY "piles up"
#define LOOK "look at"
#define CHANGE "change"

const struct topic topics_states[] = {
	{
		"established",
		"estab",
		"the connection is open; data may flow both ways",
		{
			{IS, "ESTABLISHED of RFC 9293. Both sides have sent a SYN and seen theirs "
			     "acknowledged: the normal "
			     "state of a connection that is in use, or could be."},
			{MOVES, "The program here: close() or shutdown() sends a FIN and leads to "
				"fin_wait1. The peer: its FIN leads to close_wait, its reset ends "
				"the connection. Data that nobody acknowledges ends it too, after "
				"tcp_retries2 tries (about 15 minutes)."},
			{MANY, "It is as many as are in use, plus pools and keep-alive connections "
			       "that wait. A peer that vanishes without a word leaves one that "
			       "is idle, and stays for good unless somebody sends something."},
			{LOOK, " tcpwatchctl top --by process --state established\n"
			       " tcpwatchctl list --state established --older-than 1d --sort age\n"
			       "Many old ones that carry nothing, from few peers: somebody does "
			       "not give back connections, or peers have died."},
			{CHANGE, "In the program: idle time-outs, limits of pools, SO_KEEPALIVE "
				 "(with TCP_KEEPIDLE) or TCP_USER_TIMEOUT. The sysctls "
				 "tcp_keepalive_* only matter to sockets that have SO_KEEPALIVE."},
		},
	},
	{
		"syn_sent",
		"connect_failures",
		"this host wants to connect, and no answer has come",
		{
			{IS, "SYN-SENT of RFC 9293. connect() has sent a SYN and waits for the "
			     "peer's SYN with the "
			     "acknowledgment."},
			{MOVES, "The peer: its SYN-ACK leads to established, its reset to "
				"ECONNREFUSED, a bare SYN to syn_recv (see simultaneous-open). "
				"Without an answer the SYN is sent again tcp_syn_retries times; "
				"connect() fails with ETIMEDOUT after about two minutes."},
			{MANY, "The peer is down, a firewall drops the SYNs in silence, or the "
			       "peer's listener is too full to answer. Many remotes: something "
			       "here scans, or lost its network. One remote: that one is in "
			       "trouble."},
			{LOOK, " tcpwatchctl top --by remote --state syn_sent\n"
			       " tcpwatchctl list --state syn_sent --sort age\n"
			       "and on the peer: tcpwatchctl listeners"},
			{CHANGE, "In the program: a time-out for connect() of a few seconds, a "
				 "pause that grows before the next try. In firewalls of your own "
				 "reject, not drop. tcp_syn_retries comes last."},
		},
	},
	{
		"syn_recv",
		"syn_received syn_queue syn_rate",
		"half open: the peer has asked, and has not confirmed",
		{
			{IS, "SYN-RECEIVED of RFC 9293. A SYN came, the SYN-ACK has gone out, and "
			     "the peer's final "
			     "acknowledgment is missing. In Linux this is a small request in the "
			     "SYN queue of its listener, and no program knows of it."},
			{MOVES, "The peer: its acknowledgment leads to established and into the "
				"accept queue, its reset ends the request. Without an answer the "
				"SYN-ACK is sent again tcp_synack_retries times (5: a minute), and "
				"then the request is forgotten."},
			{MANY, "A SYN flood from forged addresses; SYN-ACKs that do not find "
			       "back (routes, firewalls); or a full accept queue: then the final "
			       "acknowledgments are dropped, and requests stay here because the "
			       "program does not accept()."},
			{LOOK, " tcpwatchctl listeners --watch\n"
			       " tcpwatchctl status\n"
			       "SYN queue full, accept queue empty, SYNs from thousands of "
			       "networks: a flood. Accept queue full: the program is too slow."},
			{CHANGE, "Too slow a program: see unaccepted. A flood: leave "
				 "tcp_syncookies at 1, a larger backlog in listen() and somaxconn; "
				 "filter at the edge of your network. See syn-cookies."},
		},
	},
	{
		"fin_wait1",
		"fin_wait_1",
		"closed here first; the FIN is not acknowledged yet",
		{
			{IS, "FIN-WAIT-1 of RFC 9293. The program has closed its side. What it "
			     "wrote before and the FIN "
			     "behind that are on their way, or still wait to be sent."},
			{MOVES, "The peer: its acknowledgment leads to fin_wait2, with its own FIN "
				"to time_wait, its FIN alone to closing. Without an answer the FIN "
				"is sent again: about a minute and a half long where no process "
				"holds the socket (tcp_orphan_retries), else about 15 minutes."},
			{MANY, "Peers that vanished or are cut off, or that are alive and do not "
			       "read: with their window closed the FIN cannot be sent, and "
			       "such a connection may stay for very long."},
			{LOOK, " tcpwatchctl list --state fin_wait1 --sort age\n"
			       " tcpwatchctl top --by remote --state fin_wait1\n"
			       " ss -tno state fin-wait-1\n"
			       "Send-Q tells what waits, the timer whether it probes a closed "
			       "window (persist)."},
			{CHANGE, "In the program: TCP_USER_TIMEOUT, or SO_LINGER to give up what "
				 "was not sent. For orphans tcp_orphan_retries; tcp_max_orphans "
				 "is a guard, not a cure."},
		},
	},
	{
		"fin_wait2",
		"fin_wait_2",
		"closed here first; the peer has not closed",
		{
			{IS, "FIN-WAIT-2 of RFC 9293. The FIN of this side is acknowledged, and "
			     "the peer's FIN is "
			     "missing. The peer is in close_wait: its program has not closed."},
			{MOVES, "The peer's program alone: its close() leads to time_wait. Where "
				"no process here holds the socket any more, the kernel waits "
				"tcp_fin_timeout (60 s) and forgets it. After shutdown() with the "
				"descriptor still open there is no limit at all."},
			{MANY, "The peer leaks connections (it has close_wait), or takes its time; "
			       "or a program here half-closes and waits without a time-out. See "
			       "half-close."},
			{LOOK, " tcpwatchctl top --by remote --state fin_wait2\n"
			       " tcpwatchctl list --state fin_wait2 --older-than 60s\n"
			       "Older than tcp_fin_timeout: a process still holds them. On the "
			       "peer: tcpwatchctl list --state close_wait"},
			{CHANGE, "Mend the peer's program. Here: after shutdown() read with a "
				 "time-out, then close(). For orphans TCP_LINGER2 or "
				 "tcp_fin_timeout; that one has nothing to do with time_wait."},
		},
	},
	{
		"time_wait",
		"timewait ephemeral_ports",
		"closed on both sides; the kernel remembers it for a minute",
		{
			{IS, "TIME-WAIT of RFC 9293. This side closed first and has acknowledged "
			     "the peer's FIN. The pair "
			     "of addresses and ports is kept for 2MSL, so that the peer can ask "
			     "for that acknowledgment again and late segments find nobody new. "
			     "No process and no descriptor hold it; some 250 bytes."},
			{MOVES, "Time alone: 60 s in Linux, in the kernel's source (TCP_TIMEWAIT_"
				"LEN) and in no sysctl. A new SYN of the same pair may take its "
				"place earlier, if it is newer."},
			{MANY, "Many short connections that this host closes first. That is how "
			       "TCP works, and mostly harmless: the trouble it can make is that "
			       "connect() finds no port to the same address and port "
			       "(EADDRNOTAVAIL), or that tcp_max_tw_buckets is reached and "
			       "they are dropped at once."},
			{LOOK, " tcpwatchctl top --by remote --state time_wait\n"
			       " tcpwatchctl doctor"},
			{CHANGE, "Keep connections open (pools, HTTP keep-alive), or let the other "
				 "side close first. Then: more addresses to connect to or from, a "
				 "wider ip_local_port_range, tcp_tw_reuse = 1 for connects. Never "
				 "lower tcp_max_tw_buckets; tcp_tw_recycle is gone since Linux "
				 "4.12 as it broke clients behind NAT. See 2msl."},
		},
	},
	{
		"close",
		"closed unconn",
		"no connection",
		{
			{IS, "CLOSED of RFC 9293, where it stands for no connection at all. In "
			     "Linux a socket has it before connect() or listen(), and after the "
			     "connection has ended while a program still holds the descriptor."},
			{MOVES, "The program: connect() leads to syn_sent, listen() to listen, "
				"close() removes the socket."},
			{MANY, "The kernel does not list such sockets, or only those bound to a "
			       "port, so the count is mostly 0. A program that leaks them shows "
			       "it by its number of descriptors."},
			{LOOK, " ls /proc/PID/fd | wc -l\n"
			       " tcpwatchctl watch --state close\n"
			       "The latter shows connections as they end, with the error."},
			{CHANGE, "Nothing, unless a program leaks descriptors."},
		},
	},
	{
		"close_wait",
		NULL,
		"the peer has closed; the program here has not",
		{
			{IS, "CLOSE-WAIT of RFC 9293. The peer's FIN has come and is acknowledged. "
			     "TCP waits for the local "
			     "program to close, and will wait for ever: no timer runs."},
			{MOVES, "The program here alone: its close() sends the FIN and leads to "
				"last_ack. The kernel does nothing by itself."},
			{MANY, "A bug of the program: it does not notice the end (read() returned "
			       "0), or an error path forgets close(). Or it hangs. Or it never "
			       "accepted the connection: then the owner is shown as unaccepted, "
			       "and the bug is another one (see unaccepted)."},
			{LOOK,
			 " tcpwatchctl top --by unit --state close_wait\n"
			 " tcpwatchctl list --state close_wait --sort age --limit 20\n"
			 "The oldest tell when it began. Recv-Q 0: the program has read the end "
			 "and forgot to close. 1: it has not looked (the FIN counts as one). "
			 "More: it has stopped reading."},
			{CHANGE, "The program: close() once read() returns 0, on every path; "
				 "time-outs for work that hangs. A restart frees them for now. No "
				 "sysctl does: keepalive ends the connection at best, the "
				 "descriptor stays lost."},
		},
	},
	{
		"last_ack",
		NULL,
		"both have closed, the peer first; its last word is missing",
		{
			{IS, "LAST-ACK of RFC 9293. The peer closed first, the program here has "
			     "closed too, and its FIN "
			     "is not acknowledged."},
			{MOVES, "The peer: its acknowledgment ends the connection, with no "
				"time_wait on this side. Without one the FIN is sent again, about "
				"a minute and a half long (tcp_orphan_retries)."},
			{MANY, "Peers that are gone by then: clients that lost their network, or a "
			       "firewall or NAT that forgot the connection because it closed so "
			       "late (see close_wait). Or data before the FIN that the peer does "
			       "not take."},
			{LOOK, " tcpwatchctl top --by remote --state last_ack\n"
			       " ss -tno state last-ack"},
			{CHANGE, "The program should close soon after the peer. Firewalls should "
				 "answer with a reset, and keep closing connections longer than "
				 "the FIN is repeated. tcp_orphan_retries comes last."},
		},
	},
	{
		"listen",
		NULL,
		"a program waits for connections",
		{
			{IS, "LISTEN of RFC 9293. A passive open: the socket takes connections "
			     "from any peer. It has "
			     "two queues, both bounded by the backlog of listen() or somaxconn, "
			     "whichever is less: the SYN queue (half open) and the accept queue "
			     "(open, waiting for accept())."},
			{MOVES, "The program alone: close() ends it, and what is in the queues is "
				"reset. A SYN leaves the listener as it is, and makes a "
				"connection beside it."},
			{MANY, "One for each address, port and, with SO_REUSEPORT, worker. It is "
			       "their queues that fill."},
			{LOOK, " tcpwatchctl listeners --watch\n"
			       " ss -ltn\n"
			       "In ss, Recv-Q of a listener is the accept queue, Send-Q the "
			       "backlog."},
			{CHANGE, "Accept queue full: accept() faster, more workers; then a larger "
				 "backlog in listen(), and somaxconn so that it holds. SYN queue "
				 "full: see syn_recv."},
		},
	},
	{
		"closing",
		NULL,
		"both have closed at the same moment",
		{
			{IS, "CLOSING of RFC 9293. Both FINs have crossed: the peer's has come, "
			     "and this side's is not "
			     "acknowledged yet."},
			{MOVES, "The peer: its acknowledgment leads to time_wait. Without one the "
				"FIN is sent again, as in fin_wait1."},
			{MANY, "It is rare and lasts for one round trip. More than a few: what "
			       "the peers send gets lost, or they vanish while closing."},
			{LOOK, " tcpwatchctl list --state closing --sort age\n"
			       " tcpwatchctl top --by remote --state closing"},
			{CHANGE, "Nothing here; look at the network between. See "
				 "simultaneous-close."},
		},
	},
};
const size_t topics_state_count = ARRAY_SIZE(topics_states);
