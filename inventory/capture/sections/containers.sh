set -- docker podman
for engine; do
	command -v "$engine" >/dev/null 2>&1 || continue
	found=yes
	ids=$("$engine" ps -a -q --no-trunc) || { status=1; continue; }
	# Only these fields of a container: its environment may contain secrets.
	[ -z "$ids" ] || "$engine" inspect --type container --format \
		"container $engine {\"id\":{{json .Id}},\"name\":{{json .Name}},\"image\":{{json .Config.Image}},\"image_id\":{{json .Image}},\"running\":{{json .State.Running}},\"restart\":{{json .HostConfig.RestartPolicy.Name}},\"ports\":{{json .HostConfig.PortBindings}},\"binds\":{{json .HostConfig.Binds}},\"labels\":{{json .Config.Labels}}}" \
		$ids || status=1
	"$engine" images --no-trunc --digests --format \
		"image $engine {{.Repository}}|{{.Tag}}|{{.ID}}|{{.Digest}}" || status=1
done
[ -n "${found:-}" ] || { echo "neither docker nor podman is installed" >&2; exit 90; }
exit ${status:-0}
