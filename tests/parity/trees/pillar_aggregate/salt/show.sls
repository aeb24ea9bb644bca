show: {test.nop: [{pillar: {{ pillar|json }}}]}
