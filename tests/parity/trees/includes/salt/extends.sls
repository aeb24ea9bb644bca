include: [web]
extend:
  web:
    test:
      - comment: more
  server:
    test.nop:
      - require: [{test: twig}]
own: test.nop
