# Runs once, in the first boot of an image: starts the stack, so that it makes its database, stops it, and leaves nothing
# behind that a later boot does not need. What it says on the console is read by the builder: `STACK_PROVISION: …` is
# progress, and one of two markers is the end.
set -eu

console() { printf '\n%s\n' "$*" >/dev/console; }
stage() { reason=$*; console "STACK_PROVISION: $*"; }

finish() {
  code=$?
  trap - EXIT
  if [ "$code" -eq 0 ]; then
    console STACK_CLOUD_INIT_DONE
  else
    # The journal ends with the image: what it knows has to be on the console.
    journalctl --no-pager --output=cat -n 80 -u 'stack*' >/dev/console 2>&1 || true
    console "STACK_CLOUD_INIT_FAILED: $reason (exit code $code)"
  fi
  sync
  systemctl --no-block poweroff
}
trap finish EXIT

stage "reading the bundle disk"
modprobe isofs
bundle=$(blkid -t LABEL=STACKBUNDLE -o device | head -n 1)
mkdir -p /run/stack-provision/bundle
mount -t iso9660 -o ro "$bundle" /run/stack-provision/bundle
install -m 0600 /run/stack-provision/bundle/build.env /etc/stack-build.env
umount /run/stack-provision/bundle

stage "starting the stack"
systemctl start stack.service
stage "waiting for the stack"
systemctl start stack-ready.service
stage "stopping the stack"
systemctl stop stack-ready.service stack.service
# A program that was told to end may say what it likes. One that did not end, or that the kernel has killed, was not stopped.
case $(systemctl show --property=Result --value stack.service) in
  success | exit-code) ;;
  *) exit 1 ;;
esac
ln -sf /etc/systemd/system/stack.service /etc/systemd/system/stack-ready.service \
  /etc/systemd/system/multi-user.target.wants/

# Packages are forgotten with their files, instead of purged: the scripts of 60 packages take minutes under TCG, and there
# is nothing that they would have to tell to anybody.
stage "removing cloud-init"
cd /var/lib/dpkg/info
removed=/run/stack-provision/removed
mkdir "$removed"
for package in @REMOVE@; do
  mv "$package".* "$package":* "$removed" 2>/dev/null || true
done
sort -u "$removed"/*.list >"$removed.files"
sort -u ./*.list >"$removed.kept"
comm -23 "$removed.files" "$removed.kept" | sort -r | xargs -d '\n' rm -df 2>/dev/null || true
awk -v removed=" @REMOVE@ " 'BEGIN { RS = ""; ORS = "\n\n" } !index(removed, " " $2 " ")' ../status >../status.new
mv ../status.new ../status
cd /
rm -rf /etc/cloud /var/lib/cloud /usr/lib/python3* /var/log/* /var/cache/* /var/tmp/* /tmp/* /root/.cache /var/lib/systemd/random-seed

stage "done"
