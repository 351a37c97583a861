program count_words
  implicit none
  character(len=32) :: word, names(100)
  integer :: counts(100), n, i, at, status
  n = 0
  do
    read (*, '(a)', iostat=status) word
    if (status /= 0) exit
    at = 1
    do while (at <= n)
      if (lge(names(at), word)) exit
      at = at + 1
    end do
    if (at <= n) then
      if (names(at) == word) then
        counts(at) = counts(at) + 1
        cycle
      end if
    end if
    names(at + 1:n + 1) = names(at:n)
    counts(at + 1:n + 1) = counts(at:n)
    names(at) = word
    counts(at) = 1
    n = n + 1
  end do
  do i = 1, n
    print '(a, a, i0)', trim(names(i)), achar(9), counts(i)
  end do
  open (unit=10, file='/output/sum', access='stream', form='formatted')
  write (10, '(i0)', advance='no') n
  close (10)
  stop 3, quiet=.true.
end program
