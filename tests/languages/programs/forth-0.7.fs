\ The words are in a sorted list. A node has these parts: next node, count, length, text.
variable counted

: text ( node -- c-addr u ) 2 cells + dup cell+ swap @ ;

: new-node ( c-addr u next -- node ) align here >r , 1 , dup , here swap dup allot move r> ;

: find-place ( c-addr u -- c-addr u link found? )
    counted
    begin
        dup @ 0= if false exit then
        >r 2dup r@ @ text compare r> swap
        dup 0= if drop true exit then
        0>
    while @ repeat
    false ;

: count-word ( c-addr u -- )
    find-place if @ cell+ 1 swap +! 2drop else dup >r @ new-node r> ! then ;

: read-words ( -- ) begin pad 80 stdin read-line throw while pad swap count-word repeat drop ;

: print-words ( -- n )
    0 counted begin @ dup while
        dup text type 9 emit dup cell+ @ 0 .r cr
        swap 1+ swap
    repeat drop ;

: write-sum ( n -- )
    s" /output/sum" w/o create-file throw >r
    s>d <# #s #> r@ write-file throw
    r> close-file throw ;

read-words print-words write-sum 3 (bye)
