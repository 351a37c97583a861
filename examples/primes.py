def primes(limit):
    composite = bytearray(limit)
    for n in range(2, limit):
        if not composite[n]:
            yield n
            composite[n * n::n] = b"\1" * len(range(n * n, limit, n))


print(*primes(100))
