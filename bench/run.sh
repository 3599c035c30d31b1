#!/bin/sh
# Measures mseg and other programs in turn, in one run, and prints the table.
#
#   bench/run.sh PEERS_DIR VENV [ROUNDS] [SECONDS]
#
# PEERS_DIR holds the peers' scripts (torch_medsegx.py and others), VENV a Python environment with what they import. Lines are kept in
# bench/results/, one file for us and one for them. MSEG is the program (mseg from the PATH by default), CASES those to measure,
# BACKEND its backend: BACKEND=xla:/path/to/cuda_plugin.so measures mseg on a GPU, with full float32 products and then with TF32; the
# peers' scripts run on the CPU only and are left out then.
set -eu
peers=$(cd "$1" && pwd)
python=$(cd "$2" && pwd)/bin/python
rounds=${3:-2} seconds=${4:-5}
mseg=${MSEG:-mseg} backend=${BACKEND:-xla} threads=${THREADS:-2}
here=$(cd "$(dirname "$0")" && pwd)
out=${RESULTS:-$here/results}
mkdir -p "$out" "$out/onnx"
stamp=$(date -u +%Y%m%d-%H%M%S)
ours=$out/$stamp-mseg.jsonl theirs=$out/$stamp-peers.jsonl
: >"$ours"
: >"$theirs"

us() { "$mseg" bench --json --backend "$backend" --threads "$threads" --seconds "$seconds" --only "$1" ${2:-} >>"$ours" || echo "mseg: $1 failed" >&2; }
them() {
	script=$1
	shift
	(cd "$peers" && "$python" "$script" "$@") 2>/dev/null | grep '^{' >>"$theirs" || echo "$script $*: failed" >&2
}

if [ "$backend" != xla ] && [ "$backend" != go ]; then
	for c in ${CASES:-sam encode infer decode train full decoder decoder-images unet-infer unet-train basic-infer basic-train}; do
		us "$c"
		us "$c" --tf32
	done
	exec "$mseg" bench --lines "$ours"
fi

for what in sam infer; do
	[ -e "$out/onnx/$what-exact-b1.onnx" ] || (cd "$peers" && "$python" peers_onnx.py export --what $what --pad exact --dir "$out/onnx" >/dev/null 2>&1) || echo "no ONNX file of $what" >&2
done
for _ in $(seq "$rounds"); do
	for c in ${CASES:-sam sam-bound infer decode train full decoder-images decoder first-result first-result-cold unet-infer unet-train basic-infer basic-train}; do
		us "$c"
		case $c in
		sam)
			them torch_medsegx.py sam --pad exact --seconds "$seconds"
			them torch_medsegx.py sam --pad plain --seconds "$seconds"
			them jax_vit.py fwd --pad exact --seconds "$seconds"
			them peers_onnx.py ort --model "$out/onnx/sam-exact-b1.onnx" --seconds "$seconds"
			them peers_onnx.py openvino --model "$out/onnx/sam-exact-b1.onnx" --seconds "$seconds"
			;;
		infer)
			them torch_medsegx.py infer --pad exact --seconds "$seconds"
			them torch_medsegx.py infer --pad plain --seconds "$seconds"
			them peers_onnx.py ort --model "$out/onnx/infer-exact-b1.onnx" --seconds "$seconds"
			them peers_onnx.py openvino --model "$out/onnx/infer-exact-b1.onnx" --seconds "$seconds"
			;;
		decode) them torch_medsegx.py decode --seconds "$seconds" ;;
		train)
			them torch_medsegx.py train --pad exact --batch 2 --seconds "$seconds"
			them torch_medsegx.py train --pad plain --batch 2 --seconds "$seconds"
			[ -z "${COMPILE:-}" ] || them torch_medsegx.py train --pad exact --batch 2 --compile --seconds "$seconds"
			;;
		full) them torch_medsegx.py full --pad exact --batch 2 --seconds "$seconds" ;;
		first-result) (cd "$peers" && "$python" "$here/first_result.py" "$peers" --threads "$threads") >>"$theirs" ;;
		unet-infer) them torch_unet.py --nets inst16 --modes infer --seconds "$seconds" ;;
		unet-train) them torch_unet.py --nets inst16 --modes train --seconds "$seconds" ;;
		basic-infer) them torch_unet.py --nets basic --modes infer --seconds "$seconds" ;;
		basic-train) them torch_unet.py --nets basic --modes train --seconds "$seconds" ;;
		esac
	done
done
"$mseg" bench --lines "$ours" --peers "$theirs"
