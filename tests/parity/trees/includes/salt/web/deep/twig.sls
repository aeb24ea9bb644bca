twig: test.nop
