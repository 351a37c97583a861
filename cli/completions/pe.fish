# fish completion for pe-run, pe-image, pe-vm, pe-lb and pe-worker.
#
# The options are read from --help. The name of an option's argument there, such as FILE, tells what
# it completes to. Images and profiles are looked up with a short timeout.

# Print the options as lines "name<TAB>letter<TAB>ARGUMENT<TAB>help".
function __pe_options
    $argv --help 2>/dev/null </dev/null | string replace -rf '^  (?:-(.), |    )--([a-z0-9-]+)(?: ([^ ]+))?  +(.*)$' '$2\t$1\t$3\t$4'
end

function __pe_profiles
    set -l base $XDG_CONFIG_HOME
    test -n "$base"; or set base ~/.config
    set -l config $base/program-explorer/config
    test -r $config; and string replace -rf '^\[profile ([A-Za-z0-9._-]+)\].*' '$1' <$config
    echo local
end

# Print the argument that the command line has for one of these options.
function __pe_given
    set -l tokens (commandline -opc)
    for i in (seq 2 (math (count $tokens) - 1))
        if contains -- $tokens[$i] $argv
            printf '%s\n' $tokens[$i] $tokens[(math $i + 1)]
            return
        end
    end
end

function __pe_images -a program
    switch (basename $program)
        case pe-run
            timeout 1 $program (__pe_given --server -s) (__pe_given --profile -p) images --quiet 2>/dev/null </dev/null
        case pe-image
            timeout 1 $program ls (__pe_given --store) 2>/dev/null </dev/null | string replace -r ' .*' ''
        case pe-worker
            timeout 1 (string replace -r 'pe-worker$' pe-run -- $program) --server local images --quiet 2>/dev/null </dev/null
    end
end

function __pe_vms -a program
    timeout 1 $program list (__pe_given --run-dir) 2>/dev/null </dev/null | string replace -r ' .*' ''
end

function __pe_argument -a program kind
    switch $kind
        case 'FILE*'
            __fish_complete_path (commandline -ct)
        case DIR
            __fish_complete_directories (commandline -ct)
        case IMAGE 'NAME:TAG*'
            __pe_images $program
        case PROFILE
            __pe_profiles
        case URL
            printf '%s\n' http:// https:// unix:/
            __pe_profiles
    end
end

# Print the commands of a program, or of one of its commands, as lines "name<TAB>help".
function __pe_commands
    $argv --help 2>/dev/null </dev/null | string replace -rf '^  ([a-z-]+) +(.*)$' '$1\t$2'
end

function __pe_position -a program first count
    switch (basename $program):$first
        case pe-run:
            printf '%s\t%s\n' images 'list the images' mcp 'serve an agent'
            __pe_images $program
        case pe-worker:
            printf '%s\t%s\n' doctor 'say what this host offers' join 'join a balancer' status 'say what the workers do'
        case pe-lb:
            printf '%s\t%s\n' doctor 'say what this host offers' key 'manage keys of clients' token 'manage tokens of hosts'
        case pe-lb:key pe-lb:token
            test $count -eq 1; and __pe_commands $program $first
        case 'pe-worker:*'
        case pe-run:images
            test $count -eq 1; and __pe_images $program
        case pe-run:mcp
        case 'pe-run:*' pe-image:import
            __fish_complete_path (commandline -ct)
        case pe-image: pe-vm:
            __pe_commands $program
        case pe-vm:create pe-vm:list pe-vm:template
        case 'pe-vm:*'
            test $count -eq 1; and __pe_vms $program; or __fish_complete_path (commandline -ct)
        case pe-image:export
            test $count -eq 1; and __pe_images $program; or __fish_complete_path (commandline -ct)
        case pe-image:inspect pe-image:update pe-image:tag pe-image:rm pe-image:verify pe-image:combine
            __pe_images $program
    end
end

# Print the ARGUMENT of the option that was typed, from the lines of __pe_options.
function __pe_takes -a typed
    for line in $argv[2..]
        set -l fields (string split \t -- $line)
        if contains -- "$typed" --$fields[1] -$fields[2]
            echo $fields[3]
            return
        end
    end
end

function __pe_complete
    set -l tokens (commandline -opc)
    set -l program $tokens[1]
    set -l options (__pe_options $program)
    set -l first
    set -l count 0
    set -l taken
    for token in $tokens[2..]
        if test -n "$taken"
            set taken
        else if contains -- "$token" --
            __fish_complete_path (commandline -ct)
            return
        else if string match -q -- '-*' $token
            set taken (__pe_takes $token $options)
        else
            set count (math $count + 1)
            if test $count -eq 1
                set first $token
                if contains -- (basename $program):$token pe-run:images pe-run:mcp pe-worker:join pe-worker:status pe-image:$token pe-vm:$token
                    set options (__pe_options $program $first)
                end
            else if test $count -eq 2; and contains -- (basename $program):$first pe-lb:key pe-lb:token
                set options (__pe_options $program $first $token)
            end
        end
    end
    if test -n "$taken"
        __pe_argument $program $taken
    else if string match -q -- '-*' (commandline -ct)
        for line in $options
            set -l fields (string split \t -- $line)
            printf '%s\t%s\n' --$fields[1] $fields[4]
        end
    else
        __pe_position $program "$first" $count
    end
end

for program in pe-run pe-image pe-vm pe-lb pe-worker
    complete -c $program -f -a '(__pe_complete)'
end
