# SPDX-License-Identifier: GPL-2.0-or-later
#
# Completion of tcpwatchctl for fish: the words come from the program's own --help, where an option's argument is in
# capitals, or is itself the words that it takes.

function __tcpwatchctl_commands
    tcpwatchctl --help 2>/dev/null | string replace --filter --regex '^  ([a-z]+) +(.*)' '$1\t$2'
end

function __tcpwatchctl_command
    set --local commands (__tcpwatchctl_commands | string replace --regex '\t.*' '')
    for word in (commandline --tokenize --cut-at-cursor --current-process)[2..]
        contains -- $word $commands; and echo $word; and return
    end
end

function __tcpwatchctl_options
    tcpwatchctl (__tcpwatchctl_command) --help 2>/dev/null |
        string replace --filter --regex '^  (--[a-z-]+)(?: [^ ]+)? +(.*)' '$1\t$2'
end

# What the option before the cursor takes: nothing, a word in capitals, or words with | between them.
function __tcpwatchctl_argument
    set --local before (commandline --tokenize --cut-at-cursor --current-process)[-1]
    string match --quiet -- '--*' $before; or return
    tcpwatchctl (__tcpwatchctl_command) --help 2>/dev/null |
        string replace --filter --regex "^  $before ([^ ]+).*" '$1'
end

function __tcpwatchctl_words
    set --local argument (__tcpwatchctl_argument)
    switch "$argument"
        case 'STATE*'
            string split ' ' 'established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close close_wait last_ack listen closing'
        case WHAT
            set --local before (commandline --tokenize --cut-at-cursor --current-process)[-1]
            tcpwatchctl (__tcpwatchctl_command) --help |
                sed -n "/^  $before /,/^  --/s/^    *//p" | tail -n 1 | string split ' '
        case PATH
            __fish_complete_path (commandline --current-token)
        case ''
            if string match --quiet -- '-*' (commandline --current-token)
                __tcpwatchctl_options
            else if test "$(__tcpwatchctl_command)" = explain
                tcpwatchctl explain | string replace --filter --regex '^([a-z0-9]\S*) +(.*)' '$1\t$2'
            else if test -n "$(__tcpwatchctl_command)"
                __tcpwatchctl_options
            else
                __tcpwatchctl_commands
            end
        case '*'
            string match --regex '^[a-z].*' $argument | string split '|'
    end
end

complete --command tcpwatchctl --no-files --arguments '(__tcpwatchctl_words)'
