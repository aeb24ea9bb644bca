include: [glob.a]
b: test.nop
