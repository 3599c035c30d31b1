#!/bin/sh
# Measures mseg and other programs in turn, in one run, and prints the table.
#
#   bench/run.sh PEERS_DIR VENV [ROUNDS] [SECONDS]
#   bench/run.sh - [ROUNDS] [SECONDS]                                      mseg alone
#   BACKEND=cuda bench/run.sh - [ROUNDS] [SECONDS]                         mseg on an NVIDIA GPU
#   BACKEND=cuda bench/run.sh PEERS_DIR VENV [ROUNDS] [SECONDS]            and PyTorch beside it
#
# PEERS_DIR holds the peers' scripts (torch_medsegx.py and others), VENV a Python environment with what they import. Lines are kept in
# bench/results/, one file for us and one for them. MSEG is the program (mseg from the PATH by default), CASES those to measure,
# BACKEND its backend; cuda is the plugin of the Python environment on the PATH, xla:/path/to/xla_cuda_plugin.so another. On a GPU every
# case is measured in PRECISIONS (f32,tf32,bf16), inference at a batch of 1 and of BATCH (32), training at BATCH; of the peers' scripts those of
# PyTorch are run there, by torch_gpu.py.
set -eu
alone=
case ${1:-} in
-)
	alone=1
	shift
	;;
'' | -*)
	sed -n '2,15s/^#[ ]\{0,1\}//p' "$0" >&2
	exit 2
	;;
*)
	[ $# -ge 2 ] || { echo "run.sh: a Python environment was expected behind $1; see the head of this script" >&2; exit 2; }
	peers=$(cd "$1" && pwd)
	python=$(cd "$2" && pwd)/bin/python
	shift 2
	;;
esac
mseg=${MSEG:-mseg} backend=${BACKEND:-xla} threads=${THREADS:-2}
gpu=
if [ "$backend" = cuda ]; then
	site=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
	for plugin in "$site"/jax_plugins/xla_cuda*/xla_cuda_plugin.so; do # the last is that of the newest CUDA
		backend=xla:$plugin
	done
	[ -e "${backend#xla:}" ] || { echo "run.sh: no CUDA plugin in $site; pip install 'jax-cuda12-plugin[with-cuda]', or name one: BACKEND=xla:PATH" >&2; exit 1; }
fi
case $backend in
*[cC][uU][dD][aA]* | *[nN][vV][iI][dD][iI][aA]*) gpu=1 ;;
esac
rounds=${1:-${gpu:-2}} seconds=${2:-5} # nobody else computes on a GPU of one's own: once is enough
here=$(cd "$(dirname "$0")" && pwd)
out=${RESULTS:-$here/results}
mkdir -p "$out"
stamp=$(date -u +%Y%m%d-%H%M%S)
ours=$out/$stamp-mseg.jsonl theirs=$out/$stamp-peers.jsonl
: >"$ours"
us() {
	what=$1
	shift
	"$mseg" bench --json --backend "$backend" --seconds "$seconds" --only "$what" "$@" >>"$ours" || echo "mseg: $what failed" >&2
}
them() {
	script=$1
	shift
	(cd "$peers" && "$python" "$script" "$@") 2>/dev/null | grep '^{' >>"$theirs" || echo "$script $*: failed" >&2
}

if [ -n "$gpu" ]; then
	"$mseg" backend show --backend "$backend" >&2 || {
		"$mseg" doctor --backend "$backend" >&2 || exit 1
		exit 1
	}
	beside() { # on the GPU, for every batch: a script, a mode and its options
		[ -z "$alone" ] || return 0
		script=$1
		shift
		for batch in $(echo "$batches" | tr , ' '); do
			"$python" "$here/torch_gpu.py" "$peers" --precision "$precisions" "$script" "$@" --batch "$batch" --seconds "$seconds" 2>/dev/null |
				grep '^{' >>"$theirs" || echo "$script $*: failed" >&2
		done
	}
	: >"$theirs"
	for _ in $(seq "$rounds"); do
		for c in ${CASES:-sam train loop-train loop-unet unet-train unet-infer infer full decode decoder-images decoder basic-infer basic-train first-result}; do
			batches=${BATCH:-32}
			case $c in
			sam | sam-bound | encode | infer | decode | *-infer) batches=1,$batches ;;
			first-result) batches=1 ;;
			esac
			precisions=${PRECISIONS:-f32,tf32,bf16}
			[ "$c" != first-result ] || precisions=f32
			us "$c" --batch "$batches" --precision "$precisions"
			case $c in
			sam | infer | train | full)
				beside torch_medsegx.py "$c" --pad exact
				beside torch_medsegx.py "$c" --pad plain
				;;
			decode) beside torch_medsegx.py decode ;;
			unet-train) beside torch_unet.py --nets inst16 --modes train ;;
			unet-infer) beside torch_unet.py --nets inst16 --modes infer ;;
			basic-train) beside torch_unet.py --nets basic --modes train ;;
			basic-infer) beside torch_unet.py --nets basic --modes infer ;;
			esac
		done
	done
	exec "$mseg" bench --lines "$ours" --peers "$theirs"
fi

if [ -n "$alone" ]; then
	for _ in $(seq "$rounds"); do
		for c in ${CASES:-sam sam-bound infer decode train full decoder-images decoder loop-train loop-unet first-result unet-infer unet-train basic-infer basic-train}; do
			us "$c" --threads "$threads" ${PRECISIONS:+--precision "$PRECISIONS"} ${BATCH:+--batch "$BATCH"}
		done
	done
	exec "$mseg" bench --lines "$ours"
fi

: >"$theirs"
mkdir -p "$out/onnx"
for what in sam infer; do
	[ -e "$out/onnx/$what-exact-b1.onnx" ] || (cd "$peers" && "$python" peers_onnx.py export --what $what --pad exact --dir "$out/onnx" >/dev/null 2>&1) || echo "no ONNX file of $what" >&2
done
for _ in $(seq "$rounds"); do
	for c in ${CASES:-sam sam-bound infer decode train full decoder-images decoder first-result first-result-cold unet-infer unet-train basic-infer basic-train}; do
		us "$c" --threads "$threads"
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
		first-result)
			(cd "$peers" && "$python" "$here/first_result.py" "$peers" --threads "$threads") >>"$theirs"
			(cd "$peers" && "$python" "$here/first_result.py" "$peers" --threads "$threads" --monai) >>"$theirs"
			;;
		unet-infer) them torch_unet.py --nets inst16 --modes infer --seconds "$seconds" ;;
		unet-train) them torch_unet.py --nets inst16 --modes train --seconds "$seconds" ;;
		basic-infer) them torch_unet.py --nets basic --modes infer --seconds "$seconds" ;;
		basic-train) them torch_unet.py --nets basic --modes train --seconds "$seconds" ;;
		esac
	done
done
"$mseg" bench --lines "$ours" --peers "$theirs"
