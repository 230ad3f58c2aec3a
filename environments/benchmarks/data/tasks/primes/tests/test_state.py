import sys

expected = [n for n in range(2, 200) if all(n % d for d in range(2, n))]
with open(sys.argv[1] + "/primes.txt") as file:
    assert [int(line) for line in file.read().split()] == expected
