include: web
a: test.nop
