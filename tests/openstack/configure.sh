#!/bin/bash
# Writes every service's configuration and clouds.yaml under $ETC. Pure text; idempotent.
set -eu; cd "$(dirname "$0")"; . ./settings.sh
mkdir -p $ETC/{keystone,glance,placement,nova,neutron,cinder,heat} $LOG $RUN \
  $STATE/{glance/images,glance/staging,glance/tasks,nova,neutron,cinder/volumes,heat,locks,mysql,rabbit,fernet,credkeys}
SP=$VENV/etc
db() { echo "mysql+pymysql://lab:$PW@localhost/$1?unix_socket=$RUN/mysql.sock&charset=utf8mb4"; }
MQ="rabbit://guest:guest@$IP:$P_RABBIT/"
DBOPTS='max_pool_size = 5
max_overflow = 20
connection_recycle_time = 3000'
LOGOPTS="debug = ${LAB_DEBUG:-false}
use_stderr = true
default_log_levels = amqp=WARN,sqlalchemy=WARN,oslo.messaging=WARN,urllib3=WARN,keystonemiddleware=WARN,stevedore=WARN,ovsdbapp=WARN"
AUTH="auth_url = http://$IP:$P_KEYSTONE/v3
auth_type = password
username = service
password = $PW
project_name = service
user_domain_id = default
project_domain_id = default
region_name = RegionOne"
KA="[keystone_authtoken]
$AUTH
www_authenticate_uri = http://$IP:$P_KEYSTONE/v3
service_token_roles = service
service_token_roles_required = true
[service_user]
send_service_user_token = true
$AUTH"
RABBITQ='[oslo_messaging_rabbit]
rabbit_qos_prefetch_count = 0
[oslo_messaging_notifications]
driver = noop'

cat >$ETC/keystone/keystone.conf <<E
[DEFAULT]
$LOGOPTS
[database]
connection = $(db keystone)
$DBOPTS
[cache]
enabled = true
backend = oslo_cache.dict
expiration_time = 5
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = $STATE/fernet
[credential]
key_repository = $STATE/credkeys
[identity]
password_hash_rounds = 4
[oslo_messaging_notifications]
driver = noop
E

cat >$ETC/glance/glance-api.conf <<E
[DEFAULT]
$LOGOPTS
enabled_backends = file:file
enabled_import_methods = [glance-direct,web-download,copy-image]
show_image_direct_url = true
node_staging_uri = file://$STATE/glance/staging
worker_self_reference_url = http://$IP:$P_GLANCE
image_cache_dir = $STATE/glance/cache
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = $STATE/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $STATE/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $STATE/glance/tasks
[database]
connection = $(db glance)
$DBOPTS
[paste_deploy]
flavor = keystone
config_file = $ETC/glance/glance-api-paste.ini
[import_filtering_opts]
allowed_ports = [80,443,8080,8000,8081,18080]
[oslo_concurrency]
lock_path = $STATE/locks
[oslo_messaging_notifications]
driver = noop
$KA
E
cp $SP/glance/glance-api-paste.ini $ETC/glance/

cat >$ETC/placement/placement.conf <<E
[DEFAULT]
$LOGOPTS
[placement_database]
connection = $(db placement)
$DBOPTS
[api]
auth_strategy = keystone
$KA
E

case $LAB_LEVEL in
fake)
  DRIVER=lab_fake.FakeDriver VIF=false
  MECH=bindany PLUGINS=router TT=vxlan
  ;;
real)
  DRIVER=libvirt.LibvirtDriver VIF=true
  MECH=ovn PLUGINS=ovn-router,segments TT=geneve
  ;;
esac
cat >$ETC/nova/nova.conf <<E
[DEFAULT]
$LOGOPTS
host = lab
my_ip = $IP
transport_url = $MQ
state_path = $STATE/nova
compute_driver = $DRIVER
ram_allocation_ratio = 8.0
cpu_allocation_ratio = 64.0
disk_allocation_ratio = 64.0
reserved_host_memory_mb = 0
vif_plugging_timeout = $([ $VIF = true ] && echo 300 || echo 0)
vif_plugging_is_fatal = $VIF
force_raw_images = false
running_deleted_instance_action = reap
shutdown_timeout = 120
allow_resize_to_same_host = true
sync_power_state_interval = 15
enabled_apis = osapi_compute
force_config_drive = false
update_resources_interval = 0
instance_usage_audit = false
[api]
response_validation = ignore
[api_database]
connection = $(db nova_api)
$DBOPTS
[database]
connection = $(db nova_cell1)
$DBOPTS
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 10
[conductor]
workers = 1
[filter_scheduler]
track_instance_changes = false
[placement]
$AUTH
[neutron]
$AUTH
service_metadata_proxy = true
metadata_proxy_shared_secret = $PW
default_floating_pool = public
[cinder]
$AUTH
auth_section = service_user
os_region_name = RegionOne
catalog_info = volumev3::publicURL
[glance]
api_servers = http://$IP:$P_GLANCE
num_retries = 2
[vnc]
enabled = false
[libvirt]
virt_type = ${LAB_VIRT:-qemu}
cpu_mode = none
images_type = qcow2
connection_uri = $LIBVIRT_URI
num_pcie_ports = 12
tb_cache_size = 256
[os_vif_ovs]
ovsdb_connection = unix:$RUN/ovs/db.sock
ovs_vsctl_timeout = 20
isolate_vif = false
[serial_console]
enabled = false
[oslo_concurrency]
lock_path = $STATE/locks
[wsgi]
api_paste_config = $ETC/nova/api-paste.ini
$RABBITQ
$KA
E
cp $SP/nova/api-paste.ini $ETC/nova/
cp -r $SP/nova/rootwrap.conf $SP/nova/rootwrap.d $ETC/nova/ 2>/dev/null || true

cat >$ETC/neutron/neutron.conf <<E
[DEFAULT]
$LOGOPTS
state_path = $STATE/neutron
transport_url = $MQ
core_plugin = ml2
service_plugins = $PLUGINS
auth_strategy = keystone
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
dhcp_agent_notification = false
api_paste_config = $ETC/neutron/api-paste.ini
rpc_workers = 0
api_workers = 1
allow_overlapping_ips = true
[database]
connection = $(db neutron)
$DBOPTS
[nova]
$AUTH
[placement]
$AUTH
[oslo_concurrency]
lock_path = $STATE/locks
$RABBITQ
$KA
E
cat >$ETC/neutron/ml2_conf.ini <<E
[ml2]
mechanism_drivers = $MECH
type_drivers = flat,vlan,vxlan,geneve,local
tenant_network_types = $TT
extension_drivers = port_security
overlay_ip_version = 4
[ml2_type_flat]
flat_networks = *
[ml2_type_vxlan]
vni_ranges = 1:1000
[ml2_type_geneve]
vni_ranges = 1:1000
max_header_size = 38
[securitygroup]
enable_security_group = true
[ovn]
ovn_nb_connection = unix:$RUN/ovs/ovnnb.sock
ovn_sb_connection = unix:$RUN/ovs/ovnsb.sock
ovn_metadata_enabled = false
enable_distributed_floating_ip = false
[ovs]
ovsdb_connection = unix:$RUN/ovs/db.sock
E
cp $SP/neutron/api-paste.ini $ETC/neutron/

cat >$ETC/cinder/cinder.conf <<E
[DEFAULT]
$LOGOPTS
host = lab
my_ip = $IP
transport_url = $MQ
state_path = $STATE/cinder
enabled_backends = file
default_volume_type = file
api_paste_config = $ETC/cinder/api-paste.ini
resource_query_filters_file = $ETC/cinder/resource_filters.json
auth_strategy = keystone
glance_api_servers = http://$IP:$P_GLANCE
image_conversion_dir = $STATE/cinder/conversion
rootwrap_config = $ETC/cinder/rootwrap.conf
osapi_volume_workers = 1
periodic_interval = 60
[file]
volume_driver = lab_plugins.cinder_file.FileDriver
volume_backend_name = file
lab_volume_dir = $STATE/cinder/volumes
[database]
connection = $(db cinder)
$DBOPTS
[nova]
$AUTH
[oslo_concurrency]
lock_path = $STATE/locks
$RABBITQ
$KA
E
mkdir -p $STATE/cinder/conversion
cp -r $SP/cinder/. $ETC/cinder/

cat >$ETC/heat/heat.conf <<E
[DEFAULT]
$LOGOPTS
host = lab
transport_url = $MQ
heat_metadata_server_url = http://$IP:8000
heat_waitcondition_server_url = http://$IP:8000/v1/waitcondition
stack_user_domain_name = heat
stack_domain_admin = heat_domain_admin
stack_domain_admin_password = $PW
auth_encryption_key = 0123456789abcdef0123456789abcdef
num_engine_workers = 1
region_name_for_services = RegionOne
deferred_auth_method = trusts
convergence_engine = true
environment_dir = $ETC/heat/environment.d
template_dir = $ETC/heat/templates
[paste_deploy]
api_paste_config = $ETC/heat/api-paste.ini
[trustee]
auth_type = password
auth_url = http://$IP:$P_KEYSTONE/v3
username = service
password = $PW
user_domain_id = default
[clients_keystone]
auth_uri = http://$IP:$P_KEYSTONE
[database]
connection = $(db heat)
$DBOPTS
[oslo_concurrency]
lock_path = $STATE/locks
$RABBITQ
$KA
E
cp -r $SP/heat/. $ETC/heat/

cat >$ETC/clouds.yaml <<E
clouds:
  lab-admin:
    auth: {auth_url: 'http://$IP:$P_KEYSTONE/v3', username: admin, password: $PW, project_name: admin, user_domain_name: Default, project_domain_name: Default}
    region_name: RegionOne
    identity_api_version: 3
  lab:
    auth: {auth_url: 'http://$IP:$P_KEYSTONE/v3', username: demo, password: $PW, project_name: demo, user_domain_name: Default, project_domain_name: Default}
    region_name: RegionOne
    identity_api_version: 3
E
[ -f $STATE/appcred.yaml ] && cat $STATE/appcred.yaml >>$ETC/clouds.yaml || true
