#!/usr/bin/env escript
%% SPDX-License-Identifier: Apache-2.0
main(_) ->
    Counts = read(#{}),
    [io:format("~s\t~b~n", [Name, Count]) || {Name, Count} <- lists:sort(maps:to_list(Counts))],
    ok = file:write_file("/output/sum", integer_to_list(map_size(Counts))),
    halt(3).

read(Counts) ->
    case io:get_line("") of
        eof -> Counts;
        Line -> read(maps:update_with(string:trim(Line), fun(N) -> N + 1 end, 1, Counts))
    end.
