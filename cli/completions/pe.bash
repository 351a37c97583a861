# bash completion for pe-run, pe-image, pe-vm, pe-lb and pe-worker, based on bash-completion.
#
# The options are read from --help. The name of an option's argument there, such as FILE, tells what
# it completes to. Images and profiles are looked up with a short timeout. The names of images come
# from a server and are not trusted: they are only compared, because compgen -W would expand them,
# and names with unusual characters are skipped.

# Print the options of a program, or of one of its commands, as lines "--name ARGUMENT" and
# "-n ARGUMENT".
_pe_options()
{
    "$@" --help 2>/dev/null </dev/null |
        sed -nE 's/^  (-(.), |    )--([a-z0-9-]+)( ([^ ]+))?  .*/--\3 \5\n-\2 \5/p' | grep -v '^- '
}

# Print the commands of a program, or of one of its commands.
_pe_commands()
{
    "$@" --help 2>/dev/null </dev/null | sed -nE 's/^  ([a-z-]+) .*/\1/p'
}

# Print an option and its argument if the command line has it and the argument has only harmless
# characters.
_pe_given()
{
    local i
    for ((i = 1; i < cword; i++)); do
        if [[ ${words[i]} == "$1" || ${words[i]} == "$2" ]] && [[ ${words[i + 1]} =~ ^[A-Za-z0-9:/._-]+$ ]]; then
            printf '%s\n%s\n' "$1" "${words[i + 1]}"
            return
        fi
    done
}

_pe_profiles()
{
    sed -nE 's/^\[profile ([A-Za-z0-9._-]+)\].*/\1/p' "${XDG_CONFIG_HOME:-$HOME/.config}/program-explorer/config" 2>/dev/null
    echo local
}

_pe_images()
{
    local given
    case ${program##*/} in
        pe-run)
            mapfile -t given < <(_pe_given --server -s; _pe_given --profile -p)
            timeout 1 "$program" "${given[@]}" images --quiet 2>/dev/null </dev/null
            ;;
        pe-image)
            mapfile -t given < <(_pe_given --store --store)
            timeout 1 "$program" ls "${given[@]}" 2>/dev/null </dev/null | cut -d ' ' -f 1
            ;;
        pe-worker) timeout 1 "${program%pe-worker}pe-run" --server local images --quiet 2>/dev/null </dev/null ;;
    esac
}

_pe_vms()
{
    local given
    mapfile -t given < <(_pe_given --run-dir --run-dir)
    timeout 1 "$program" list "${given[@]}" 2>/dev/null </dev/null | cut -d ' ' -f 1
}

# Offer the lines that begin with what was typed.
_pe_words()
{
    local line
    while read -r line; do
        [[ $line == "$cur"* && $line =~ ^[A-Za-z0-9:/._@-]+$ ]] && COMPREPLY+=("$line")
    done < <(printf '%s\n' "$@")
}

# Offer completions for an argument with this name.
_pe_argument()
{
    case $1 in
        FILE*) _filedir ;;
        DIR) _filedir -d ;;
        NAME:TAG* | IMAGE) _pe_words "$(_pe_images)" ;;
        PROFILE) _pe_words "$(_pe_profiles)" ;;
        URL) _pe_words http:// https:// unix:/ "$(_pe_profiles)" ;;
    esac
}

# Set the number of arguments before the cursor that are neither options nor arguments of options,
# and the first of them.
_pe_positions()
{
    local i argument
    positions=0 first= after=
    for ((i = 1; i < cword; i++)); do
        if [[ ${words[i]} == -- ]]; then
            after=yes
            return
        fi
        if [[ ${words[i]} == -?* ]]; then
            argument=$(awk -v name="${words[i]}" '$1 == name { print $2 }' <<<"$options")
            [[ $argument ]] && ((i++))
            continue
        fi
        ((positions++)) || first=${words[i]}
    done
}

# Offer completions for arguments that are not options.
_pe_position()
{
    case ${program##*/}:$first in
        pe-run:)
            _pe_words images mcp "$(_pe_images)"
            ;;
        pe-run:images) ((positions == 1)) && _pe_words "$(_pe_images)" ;;
        pe-run:mcp) ;;
        pe-run:*) _filedir ;;
        pe-worker:) _pe_words doctor join status ;;
        pe-worker:*) ;;
        pe-lb:) _pe_words doctor key token ;;
        pe-lb:key | pe-lb:token) ((positions == 1)) && _pe_words "$(_pe_commands "$program" "$first")" ;;
        pe-image: | pe-vm:) _pe_words "$(_pe_commands "$program")" ;;
        pe-vm:create | pe-vm:list | pe-vm:template) ;;
        pe-vm:task) _filedir ;;
        pe-vm:*) if ((positions == 1)); then _pe_words "$(_pe_vms)"; else _filedir; fi ;;
        pe-image:import) _filedir ;;
        pe-image:export) if ((positions == 1)); then _pe_words "$(_pe_images)"; else _filedir; fi ;;
        pe-image:inspect | pe-image:update | pe-image:tag | pe-image:rm | pe-image:verify | pe-image:combine) _pe_words "$(_pe_images)" ;;
    esac
}

_pe()
{
    local cur prev words cword program options positions first after argument
    _init_completion -n := || return
    program=${words[0]/#\~/$HOME}
    type -P -- "$program" >/dev/null || return
    options=$(_pe_options "$program")
    _pe_positions
    if [[ ${program##*/} == @(pe-image|pe-vm) && $first || ${program##*/}:$first == @(pe-run:@(images|mcp)|pe-worker:@(join|status)) ]]; then
        options=$(_pe_options "$program" "$first")
        _pe_positions
    elif [[ ${program##*/}:$first == pe-lb:@(key|token) ]] && ((cword > 2)); then
        options=$(_pe_options "$program" "$first" "${words[2]}")
        _pe_positions
    fi
    argument=$(awk -v name="$prev" '$1 == name { print $2 }' <<<"$options")
    if [[ $after ]]; then
        _filedir
    elif [[ $argument ]]; then
        _pe_argument "$argument"
    elif [[ $cur == -* ]]; then
        _pe_words "$(awk '/^--/ { print $1 }' <<<"$options")"
    else
        _pe_position
    fi
    __ltrim_colon_completions "$cur"
} &&
    complete -F _pe pe-run pe-image pe-vm pe-lb pe-worker
