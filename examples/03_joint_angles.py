"""Knee flexion and hand speed as a table, with units: python 03_joint_angles.py [MOTION]."""

import csv
import sys

import vibe

person = vibe.load(sys.argv[1] if len(sys.argv) > 1 else "motion.npz").people[0]
knee = person.joint_angles()["left_knee_flexion"]  # degrees, 0 is straight
hand = (person.joints()["left_wrist"] - person.joints()["pelvis"]).velocity().norm()  # m/s, NaN at the ends
with open("knee.csv", "w", newline="", encoding="utf-8") as file:
    table = csv.writer(file)
    table.writerow(["time_s", f"left_knee_{knee.unit}", "left_wrist_m_per_s"])
    table.writerows(zip(knee.times.tolist(), knee.values[:, 0].tolist(), hand.values[:, 0].tolist()))
print(f"left knee: {float(knee.values.min()):.0f} to {float(knee.values.max()):.0f} {knee.unit}")
