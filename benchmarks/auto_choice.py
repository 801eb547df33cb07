"""How often "auto" is right, and what it costs where it is wrong: its time over the fastest algorithm's.

Writes results/auto_choice.json and prints the losing cases first. Algorithms predicted to take ten times as long as
the best one are left out: they cannot be chosen.
"""

import numpy as np

import sevenloops as sl
from contest import DIRECTIONS, Layer, contestant, machine, prepare, write

LAYERS = [
    Layer(64, 3, 50, 15, 4, stride=2),
    Layer(10, 8, 32, 16, 3),
    Layer(100, 3, 31, 25, 3, stride=2, padding=1),
    Layer(64, 1, 28, 6, 5, padding=2),
    Layer(64, 6, 14, 16, 5),
    Layer(64, 16, 5, 120, 5),
    Layer(1, 3, 224, 64, 7, stride=2, padding=3),
    Layer(8, 3, 224, 64, 7, stride=2, padding=3),
    Layer(8, 64, 56, 64, 3, padding=1),
    Layer(8, 128, 28, 128, 3, padding=1),
    Layer(8, 256, 14, 256, 3, padding=1),
    Layer(8, 512, 7, 512, 3, padding=1),
    Layer(1, 256, 14, 256, 3, padding=1),
    Layer(8, 64, 56, 256, 1),
    Layer(8, 1024, 14, 256, 1),
    Layer(8, 256, 56, 512, 1, stride=2),
    Layer(8, 128, 56, 128, 3, stride=2, padding=1),
    Layer(8, 144, 56, 144, 3, padding=1, groups=144),
    Layer(8, 384, 14, 384, 3, padding=1, groups=384),
    Layer(8, 96, 28, 96, 3, padding=1, groups=8),
    Layer(16, 1, 96, 32, 7),
    Layer(1, 3, 128, 8, 21),
    Layer(1, 1, 6, 1, 3),
]


def main():
    process = contestant("sevenloops")
    rows = []
    for layer in LAYERS:
        x, w, _ = layer.arrays()
        for direction in DIRECTIONS:
            candidates = sl.plan_conv2d(x, w, direction=direction, **layer.keywords).candidates
            best = candidates[0].cost.seconds
            times, predicted = {}, {}
            for candidate in candidates:
                if candidate.refusal or candidate.cost.seconds > max(10 * best, best + 2e-4):
                    continue
                error = prepare(process, layer, direction, "channels-first", candidate.name)
                if error > 1e-4:
                    raise SystemExit(f"{candidate.name} is wrong on {layer}, {direction}: {error}")
                times[candidate.name] = float(np.median(process.time("channels-first", 0.25, 1)))
                predicted[candidate.name] = candidate.cost.seconds
            chosen, fastest = candidates[0].name, min(times, key=times.get)
            rows.append(
                {
                    "layer": str(layer),
                    "direction": direction,
                    "chosen": chosen,
                    "fastest": fastest,
                    "regret": times[chosen] / times[fastest],
                    "seconds": times,
                    "predicted": predicted,
                }
            )
            print(".", end="", flush=True)
    process.close()
    rows.sort(key=lambda row: -row["regret"])
    print()
    for row in rows:
        ratios = ", ".join(
            f"{name} {seconds * 1e3:.2f} ms (predicted {row['predicted'][name] * 1e3:.2f})"
            for name, seconds in sorted(row["seconds"].items(), key=lambda item: item[1])
        )
        print(f"{row['regret']:5.2f}  {row['layer']:45} {row['direction']:11} chose {row['chosen']}: {ratios}")
    regrets = np.array([row["regret"] for row in rows])
    right = float((regrets < 1.1).mean())
    mean = float(np.exp(np.log(regrets).mean()))
    print(f"within 10 % of the fastest: {right:.0%} of {len(rows)}; geometric mean of the regret {mean:.3f}")
    write("auto_choice", {"machine": machine(), "within_10_percent": right, "mean_regret": mean, "rows": rows})


if __name__ == "__main__":
    main()
