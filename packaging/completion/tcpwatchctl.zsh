#compdef tcpwatchctl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Completion of tcpwatchctl for zsh: the words come from the program's own --help, where an option's argument is in
# capitals, or is itself the words that it takes.

_tcpwatchctl() {
	local command= word line argument=
	local -a commands options topics
	local -a states=(established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close close_wait last_ack listen closing)
	setopt local_options extended_glob

	for line in ${(f)"$(_call_program commands ${words[1]} --help)"}; do
		[[ $line == (#b)'  '([a-z]##)' '##(*) ]] && commands+=("$match[1]:$match[2]")
	done
	for word in ${words[2,CURRENT-1]}; do
		[[ -z $command && -n ${(M)commands:#$word:*} ]] && command=$word
	done
	for line in ${(f)"$(_call_program options ${words[1]} $command --help)"}; do
		[[ $line == (#b)'  '(--[a-z-]##)' '([^ ]##|)' '#(*) ]] || continue
		options+=("$match[1]:$match[3]")
		[[ $match[1] == ${words[CURRENT-1]} ]] && argument=$match[2]
	done
	case $argument in
	PATH) _files ;;
	STATE*) compadd -a states ;;
	WHAT)
		line=$(_call_program words ${words[1]} $command --help |
			sed -n "/^  ${words[CURRENT-1]} /,/^  --/s/^    *//p" | tail -n 1)
		compadd ${=line}
		;;
	[a-z]*) compadd ${(s:|:)argument} ;;
	'')
		if [[ -z $command && $PREFIX != -* ]]; then
			_describe command commands
		elif [[ $command == explain && $PREFIX != -* ]]; then
			topics=(${(f)"$(_call_program topics ${words[1]} explain)"})
			topics=(${topics/ ##/:})
			_describe topic topics
		else
			_describe option options
		fi
		;;
	*) _message $argument ;;
	esac
}

_tcpwatchctl "$@"
