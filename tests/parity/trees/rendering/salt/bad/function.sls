a: {{ salt['no.function']() }}
