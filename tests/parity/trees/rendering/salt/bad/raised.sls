a: {{ raise('on purpose') }}
