"""Users, catalog, flavors, networks and quotas of the real services; run by up.sh."""
import os, sys, time
import openstack
IP = os.environ['IP']; PW = os.environ['PW']; E = os.environ
c = openstack.connect(cloud='lab-admin')


def identity():
    k = c.identity
    svc = k.create_project(name='service', domain_id='default')
    demo = k.create_project(name='demo', domain_id='default')
    role = {r.name: r for r in k.roles()}
    for r in ('service', 'heat_stack_owner', 'heat_stack_user', 'member', 'reader'):
        if r not in role:
            role[r] = k.create_role(name=r)
    us = k.create_user(name='service', password=PW, domain_id='default')
    ud = k.create_user(name='demo', password=PW, domain_id='default', default_project_id=demo.id)
    for r in ('admin', 'service'):
        k.assign_project_role_to_user(svc, us, role[r])
    for r in ('member', 'heat_stack_owner'):
        k.assign_project_role_to_user(demo, ud, role[r])
    dom = k.create_domain(name='heat', description='stack users')
    hd = k.create_user(name='heat_domain_admin', password=PW, domain_id=dom.id)
    k.assign_domain_role_to_user(dom, hd, role['admin'])
    for typ, name, url in (
            ('image', 'glance', f'http://{IP}:{E["P_GLANCE"]}'),
            ('placement', 'placement', f'http://{IP}:{E["P_PLACEMENT"]}'),
            ('compute', 'nova', f'http://{IP}:{E["P_NOVA"]}/v2.1'),
            ('network', 'neutron', f'http://{IP}:{E["P_NEUTRON"]}'),
            ('volumev3', 'cinderv3', f'http://{IP}:{E["P_CINDER"]}/v3/%(project_id)s'),
            ('block-storage', 'cinder', f'http://{IP}:{E["P_CINDER"]}/v3/%(project_id)s'),
            ('orchestration', 'heat', f'http://{IP}:{E["P_HEAT"]}/v1/%(tenant_id)s')):
        s = k.create_service(name=name, type=typ)
        for i in ('public', 'internal'):
            k.create_endpoint(service_id=s.id, interface=i, url=url, region_id='RegionOne')


def wait():
    need = {'nova-conductor', 'nova-scheduler', 'nova-compute'}
    end = time.time() + 120
    while time.time() < end:
        try:
            up = {s.binary for s in c.compute.services() if s.state == 'up'}
            miss = need - up
            cu = {s.binary for s in c.block_storage.services() if s.state == 'up'}
            miss |= {'cinder-scheduler', 'cinder-volume'} - cu
            if not any(s['status'] == 'up' for s in
                       c.session.get(f'http://{IP}:{E["P_HEAT"]}/v1/{c.current_project_id}/services').json()['services']):
                miss.add('heat-engine')
            if not miss:
                return
        except Exception as e:
            miss = e
        time.sleep(0.5)
    sys.exit(f'not up: {miss}')


def cloud():
    for name, ram, vcpu, disk in (('m1.nano', 128, 1, 1), ('m1.small', 512, 1, 2), ('m1.medium', 1024, 2, 10), ('m1.large', 4096, 4, 40)):
        c.compute.find_flavor(name) or c.compute.create_flavor(name=name, ram=ram, vcpus=vcpu, disk=disk)
    n = c.network
    pub = n.find_network('public') or n.create_network(name='public', is_router_external=True, provider_network_type='flat', provider_physical_network='public')
    sub = n.find_subnet('public-subnet') or n.create_subnet(name='public-subnet', network_id=pub.id, ip_version=4, cidr='198.51.100.0/24', gateway_ip='198.51.100.1',
                    enable_dhcp=False, allocation_pools=[{'start': '198.51.100.10', 'end': '198.51.100.250'}])
    d = openstack.connect(cloud='lab')
    pn = d.network.find_network('private') or d.network.create_network(name='private')
    ps = d.network.find_subnet('private-subnet') or d.network.create_subnet(name='private-subnet', network_id=pn.id, ip_version=4, cidr='10.77.0.0/24')
    if not d.network.find_router('router1'):
        r = d.network.create_router(name='router1', external_gateway_info={'network_id': pub.id})
        d.network.add_interface_to_router(r, subnet_id=ps.id)
    p = c.identity.find_project('demo')
    c.compute.update_quota_set(p.id, cores=200, ram=512000, instances=200, key_pairs=500)
    c.network.update_quota(p.id, floating_ips=200, ports=1000, security_groups=200, security_group_rules=2000)
    try:
        c.block_storage.create_type(name='file')
    except Exception as e:
        print('volume type:', e)
    img = os.environ['LAB'] + '/images/tiny.qcow2'
    for old in list(c.image.images(name='tiny')):
        c.image.delete_image(old)
    # Nothing boots from it: real guests have an image of their own.
    if os.environ['LAB_LEVEL'] == 'fake':
        c.image.create_image('tiny', filename=img, disk_format='qcow2', container_format='bare', visibility='public',
                             wait=True, hw_disk_bus='virtio', hw_rng_model='virtio')
    # an application credential for the demo user
    u = d.current_user_id
    a = d.identity.create_application_credential(u, name='lab-app', unrestricted=True)
    with open(os.environ['STATE'] + '/appcred.yaml', 'w') as f:
        f.write(f"""  lab-app:
    auth_type: v3applicationcredential
    auth: {{auth_url: 'http://{IP}:{E["P_KEYSTONE"]}/v3', application_credential_id: '{a.id}', application_credential_secret: '{a.secret}'}}
    region_name: RegionOne
    identity_api_version: 3
""")


{'identity': identity, 'wait': wait, 'cloud': cloud}[sys.argv[1]]()
