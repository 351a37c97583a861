identification division.
program-id. count-words.
environment division.
input-output section.
file-control.
    select word-file assign to keyboard organization line sequential.
    select result assign to "/output/sum" organization sequential.
data division.
file section.
fd word-file.
01 word pic x(32).
fd result.
01 result-text pic x.
working-storage section.
01 n pic 9(3) value 0.
01 entries.
    02 entry-row occurs 0 to 100 times depending on n
        ascending key entry-name indexed by i.
        03 entry-name pic x(32).
        03 entry-count pic 9.
01 ended pic 9 value 0.
procedure division.
    open input word-file
    perform until ended = 1
        read word-file
            at end move 1 to ended
            not at end perform count-word
        end-read
    end-perform
    close word-file
    sort entry-row ascending key entry-name
    perform varying i from 1 by 1 until i > n
        display function trim(entry-name(i)) x"09" entry-count(i)
    end-perform
    open output result
    move n(3:1) to result-text
    write result-text
    close result
    move 3 to return-code
    stop run.
count-word.
    perform varying i from 1 by 1 until i > n
        if entry-name(i) = word
            add 1 to entry-count(i)
            exit paragraph
        end-if
    end-perform
    add 1 to n
    move word to entry-name(n)
    move 1 to entry-count(n).
