"""What a user of PyTorch waits for: a process that imports torch, builds MedSegX-B, loads its weights, and answers one image.

  python first_result.py PEERS_DIR [--reps 3] [--monai]    # PEERS_DIR holds medsegx_model.py and _bench.py
With --monai the process imports MONAI too, as scripts do that take transforms, losses or metrics from it; nothing else is done with it here.
One JSON line; the times are of whole processes, the memory is the largest of theirs.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
if sys.argv[4] == "monai":
    import monai
from medsegx_model import MedSegX
torch.set_num_threads(int(sys.argv[3]))
m = MedSegX("sdpa", "exact").eval()
m.load_state_dict(torch.load(sys.argv[2]))
x, box = torch.full((1, 3, 256, 256), 100.), torch.tensor([[60., 50., 200., 190.]])
with torch.inference_mode():
    print(float(m(x, box, torch.tensor([[2, 0, 1, 4, 17, 59]])).mean()))
"""
MAKE = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from medsegx_model import MedSegX
torch.save(MedSegX("sdpa", "exact").state_dict(), sys.argv[2])
"""


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("peers")
    a.add_argument("--reps", type=int, default=3)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--monai", action="store_true")
    o = a.parse_args()
    sys.path.insert(0, o.peers)
    from _bench import _system_busy, cpu_model
    import importlib.metadata
    env = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", KMP_BLOCKTIME="0")
    walls, cpus, others = [], [], []
    with tempfile.TemporaryDirectory() as d:
        weights = os.path.join(d, "weights.pth")
        subprocess.run([sys.executable, "-c", MAKE, o.peers, weights], check=True, env=env)
        peak = 0
        for _ in range(o.reps):
            b0, t0 = _system_busy(), time.perf_counter()
            p = subprocess.Popen([sys.executable, "-c", CHILD, o.peers, weights, str(o.threads), "monai" if o.monai else ""], stdout=subprocess.DEVNULL, env=env)
            _, status, usage = os.wait4(p.pid, 0)
            if status:
                sys.exit("the process failed")
            wall = time.perf_counter() - t0
            cpu = usage.ru_utime + usage.ru_stime
            walls.append(wall)
            cpus.append(cpu)
            others.append(max(0.0, _system_busy() - b0 - cpu) / wall)
            peak = max(peak, usage.ru_maxrss)
    i = min(range(len(walls)), key=walls.__getitem__)
    versions = {name: importlib.metadata.version(name) for name in ["torch"] + ["monai"] * o.monai}
    print(json.dumps({"name": "torch_monai_first_result" if o.monai else "torch_first_result", "batch": 1, "threads": o.threads, "options": [], "s_per_process_best": round(walls[i], 3),
                      "s_per_process_median": round(sorted(walls)[len(walls) // 2], 3), "cpu_s_per_process_best": round(min(cpus), 3),
                      "crit_cpu_s_per_process_best": round(min(cpus), 3), "first_call_s": round(walls[0], 3), "reps": len(walls),
                      "others_cores": round(others[i], 2), "peak_rss_mb": round(peak / 1024), "cpu": cpu_model(),
                      "versions": dict(versions, python=platform.python_version())}))


if __name__ == "__main__":
    main()
