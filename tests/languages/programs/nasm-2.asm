section .data
text: db "pear", 10
section .text
global _start
_start:
    mov eax, 1
    mov edi, 1
    mov rsi, text
    mov edx, 5
    syscall
    mov eax, 60
    mov edi, 3
    syscall
