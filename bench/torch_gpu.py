"""Runs one of the peers' scripts on an NVIDIA GPU: their networks, losses and optimisers as they are, with the GPU as PyTorch's default device.

  python torch_gpu.py PEERS_DIR --precision f32,tf32,bf16 torch_medsegx.py train --batch 32 --seconds 3

One JSON line for each precision. Times are wall times with the GPU's work waited for. What a training step reads lies on the GPU already, its loss is not fetched.
An inference begins and ends on the host, so copies of the sizes of its input and result are made beside it. bf16 is autocast around the whole
step, tf32 allows it to products and convolutions, f32 forbids it to both.
"""
import argparse
import json
import os
import platform
import runpy
import statistics
import sys
import time

MOST = 2000  # repetitions


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("peers", help="folder of the peers' scripts")
    a.add_argument("--precision", default="f32", help="f32, tf32 or bf16; several with commas between")
    a.add_argument("script")
    a.add_argument("args", nargs=argparse.REMAINDER)
    o = a.parse_args()
    precisions = o.precision.split(",")
    if not set(precisions) <= {"f32", "tf32", "bf16"}:
        a.error("precision %s is unknown" % o.precision)
    sys.path.insert(0, os.path.abspath(o.peers))
    import torch
    import _bench

    if not torch.cuda.is_available():
        sys.exit("torch_gpu.py: PyTorch sees no NVIDIA GPU")
    torch.set_default_device("cuda")

    def copies(name, batch):
        """What an inference reads from the host and what it returns there."""
        image, masks, embedding = (batch, 3, 256, 256), (batch, 3, 256, 256), (batch, 256, 16, 16)
        plane = (batch, 1, 256, 256)
        sizes = {"torch_medsegx/sam": (image, embedding), "torch_medsegx/encode": (image, embedding), "torch_medsegx/infer": (image, masks),
                 "torch_medsegx/decode": (embedding, masks)}.get(name, (plane, plane) if name.endswith("/infer") else None)
        if sizes is None:
            return lambda: None
        there, back = torch.rand(sizes[0], device="cpu"), torch.rand(sizes[1])

        def both():
            there.to("cuda")
            back.cpu()
        return both

    def report(name, step, per=1, unit="image", seconds=8.0, min_reps=5, versions=None, **extra):
        move = copies(name, per)

        def once():
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16"):
                step()
            move()
            torch.cuda.synchronize()
        t = time.perf_counter()
        once()
        first = time.perf_counter() - t
        for _ in range(3):
            once()
        t = time.perf_counter()
        once()
        inner = max(1, int(0.05 / max(time.perf_counter() - t, 1e-6)))
        walls, cpu = [], float("inf")
        end = time.perf_counter() + seconds
        while len(walls) < MOST and (len(walls) < min_reps or time.perf_counter() < end):
            c, t = time.process_time(), time.perf_counter()
            for _ in range(inner):
                once()
            walls.append((time.perf_counter() - t) / inner / per)
            cpu = min(cpu, (time.process_time() - c) / inner / per)
        line = {"name": name, "precision": precision, "device": torch.cuda.get_device_name(), "first_call_s": round(first, 3), "reps": len(walls),
                "s_per_image_best": float("%.4g" % min(walls)), "s_per_image_median": float("%.4g" % statistics.median(walls)),
                "cpu_s_per_image_best": float("%.4g" % cpu), "images_per_s": float("%.4g" % (1 / statistics.median(walls))),
                "gpu_samples": 1, "gpu_mb": torch.cuda.max_memory_reserved() >> 20, "peak_rss_mb": _bench.peak_rss_mb(), "cpu": _bench.cpu_model(),
                "versions": dict(versions or {}, python=platform.python_version())}
        line.update({k: v for k, v in extra.items() if k != "threads"})
        print(json.dumps(line), flush=True)

    _bench.report = report
    sys.argv = [o.script] + o.args
    for precision in precisions:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        runpy.run_path(os.path.join(o.peers, o.script), run_name="__main__")


if __name__ == "__main__":
    main()
