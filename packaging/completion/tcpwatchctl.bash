# SPDX-License-Identifier: GPL-2.0-or-later
#
# Completion of tcpwatchctl for bash: the words come from the program's own --help, where an option's argument is
# in capitals, or is itself the words that it takes; those of WHAT stand in a line of their own.

_tcpwatchctl() {
	local cur prev words cword command= word help argument
	local states='established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close close_wait last_ack listen closing'

	_init_completion -n = || return
	for word in "${words[@]:1:cword-1}"; do
		[[ $word == [a-z]* && -z $command ]] &&
			command=$("$1" --help 2>/dev/null | sed -n "s/^  \($word\) .*/\1/p")
	done
	help=$("$1" ${command:+"$command"} --help 2>/dev/null)
	[[ $prev == --* ]] && argument=$(sed -n "s/^  $prev \([^ ][^ ]*\).*/\1/p" <<<"$help")
	case $argument in
	PATH) _filedir ;;
	STATE*) COMPREPLY=($(compgen -W "$states" -- "$cur")) ;;
	WHAT)
		word=$(sed -n "/^  $prev /,/^  --/s/^    *//p" <<<"$help" | tail -n 1)
		COMPREPLY=($(compgen -W "$word" -- "$cur"))
		;;
	[a-z]*) COMPREPLY=($(compgen -W "${argument//|/ }" -- "$cur")) ;;
	'')
		word='s/^  \(--[a-z-]*\).*/\1/p'
		if [[ $command == explain && $cur != -* ]]; then
			word='s/^\([a-z0-9][^ ]*\) .*/\1/p'
			help=$("$1" explain)
		elif [[ ! $command && $cur != -* ]]; then
			word='s/^  \([a-z][a-z]*\) .*/\1/p'
		fi
		COMPREPLY=($(compgen -W "$(sed -n "$word" <<<"$help")" -- "$cur"))
		;;
	esac
}
complete -F _tcpwatchctl tcpwatchctl
