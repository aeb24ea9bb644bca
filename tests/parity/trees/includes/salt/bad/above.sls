include: [.....up]
a: test.nop
