# MariaDB and RabbitMQ, on loopback and in our own folder. To be sourced.
start_mysql() {
  if [ ! -d $STATE/mysql/mysql ]; then
    mariadb-install-db --no-defaults --user=root --datadir=$STATE/mysql --auth-root-authentication-method=normal --skip-test-db >$LOG/mysql-init.log 2>&1
  fi
  start mysql /usr/sbin/mariadbd --no-defaults --user=root --datadir=$STATE/mysql --socket=$RUN/mysql.sock \
    --pid-file=$STATE/mysqld.pid --skip-networking --skip-log-bin --performance-schema=OFF --max-connections=300 \
    --innodb-buffer-pool-size=128M --innodb-log-file-size=48M --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 \
    --innodb-flush-method=nosync --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
    --table-open-cache=1000 --aria-pagecache-buffer-size=8M --key-buffer-size=1M
}
wait_mysql() { wait_for 30 mysql mariadb-admin --no-defaults -S $RUN/mysql.sock ping; }
sql() { mariadb --no-defaults -S $RUN/mysql.sock -u root "$@"; }
rabbit_env() {
  export HOME=$STATE/rabbit RABBITMQ_NODENAME=lab@localhost RABBITMQ_MNESIA_BASE=$STATE/rabbit/mnesia \
    RABBITMQ_LOG_BASE=$LOG/rabbit RABBITMQ_NODE_IP_ADDRESS=$IP RABBITMQ_NODE_PORT=$P_RABBIT \
    RABBITMQ_DIST_PORT=$P_RABBIT_DIST ERL_EPMD_ADDRESS=$IP ERL_EPMD_PORT=$P_EPMD \
    RABBITMQ_CONFIG_FILE=$ETC/rabbit RABBITMQ_ENABLED_PLUGINS_FILE=$ETC/rabbit_plugins RABBITMQ_PID_FILE=$RUN/rabbit.erlpid \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}" \
    RABBITMQ_CONF_ENV_FILE=/dev/null; }
start_rabbit() {
  alive rabbit && return 0
  mkdir -p $LOG/rabbit $STATE/rabbit
  printf 'listeners.tcp.default = %s:%s\nvm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 50MB\nlog.file.level = warning\n' $IP $P_RABBIT >$ETC/rabbit.conf
  echo '[].' >$ETC/rabbit_plugins
  # queues are transient here: always begin with an empty broker
  rm -rf $STATE/rabbit/mnesia
  ( rabbit_env; export PATH=/usr/lib/rabbitmq/bin:$PATH
    # our own epmd, on loopback only
    start epmd /usr/bin/epmd -address $IP -port $P_EPMD
    start rabbit /usr/lib/rabbitmq/bin/rabbitmq-server ); }
rabbit_up() { exec 3<>/dev/tcp/$IP/$P_RABBIT && printf 'AMQP\0\0\x09\x01' >&3 && timeout 5 head -c 8 <&3 | grep -q . ; }
wait_rabbit() { wait_for 60 rabbitmq bash -c "IP=$IP P_RABBIT=$P_RABBIT; $(declare -f rabbit_up); rabbit_up"; }
