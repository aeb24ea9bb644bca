"""Cinder driver: volumes are sparse raw files under one directory. Real data, no LVM, no iSCSI.

Attach is by path: the connection type 'gpfs' makes nova's libvirt driver use a plain file disk.
"""
import os
import shutil

from cinder.image import image_utils
from cinder import interface
from cinder.volume import driver
from cinder.volume import volume_utils
from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_utils import units

OPTS = [cfg.StrOpt('lab_volume_dir', default='volumes')]
cfg.CONF.register_opts(OPTS)


@interface.volumedriver
class FileDriver(driver.VolumeDriver):
    VERSION = '0.1'

    def __init__(self, *a, **kw):
        super().__init__(*a, **kw)
        self.configuration.append_config_values(OPTS)
        self.dir = self.configuration.lab_volume_dir

    def _p(self, name):
        return os.path.join(self.dir, name)

    def do_setup(self, context):
        os.makedirs(self.dir, exist_ok=True)

    def check_for_setup_error(self):
        pass

    def _update_volume_stats(self):
        du = shutil.disk_usage(self.dir)
        self._stats = {'volume_backend_name': self.configuration.safe_get('volume_backend_name') or 'file',
                       'vendor_name': 'lab', 'driver_version': self.VERSION, 'storage_protocol': 'file',
                       'total_capacity_gb': du.total / units.Gi, 'free_capacity_gb': du.free / units.Gi,
                       'reserved_percentage': 0, 'thin_provisioning_support': True,
                       'thick_provisioning_support': False, 'max_over_subscription_ratio': '20.0',
                       'provisioned_capacity_gb': 0, 'multiattach': False}

    def _truncate(self, path, gib):
        with open(path, 'ab') as f:
            f.truncate(gib * units.Gi)

    def create_volume(self, volume):
        self._truncate(self._p(volume.name), volume.size)

    def delete_volume(self, volume):
        if os.path.exists(self._p(volume.name)):
            os.unlink(self._p(volume.name))

    def extend_volume(self, volume, new_size):
        self._truncate(self._p(volume.name), new_size)

    def _cp(self, src, dst):
        processutils.execute('cp', '--sparse=always', src, dst)

    def create_snapshot(self, snapshot):
        self._cp(self._p(snapshot.volume_name), self._p(snapshot.name))

    def delete_snapshot(self, snapshot):
        if os.path.exists(self._p(snapshot.name)):
            os.unlink(self._p(snapshot.name))

    def create_volume_from_snapshot(self, volume, snapshot):
        self._cp(self._p(snapshot.name), self._p(volume.name))
        self._truncate(self._p(volume.name), volume.size)

    def create_cloned_volume(self, volume, src_vref):
        self._cp(self._p(src_vref.name), self._p(volume.name))
        self._truncate(self._p(volume.name), volume.size)

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        image_utils.fetch_to_raw(context, image_service, image_id, self._p(volume.name),
                                 self.configuration.volume_dd_blocksize, size=volume.size,
                                 run_as_root=False, disable_sparse=disable_sparse)
        self._truncate(self._p(volume.name), volume.size)

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        volume_utils.upload_volume(context, image_service, image_meta, self._p(volume.name), volume,
                                   run_as_root=False)

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector):
        return {'driver_volume_type': 'gpfs',
                'data': {'name': volume.name, 'device_path': self._p(volume.name), 'discard': True}}

    def terminate_connection(self, volume, connector, **kw):
        pass
