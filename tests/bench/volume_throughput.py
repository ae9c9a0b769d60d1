"""The model's input of a CT study: liere from its cached volume (volume_throughput) against pydicom, numpy and OpenCV from the DICOM files, by turns, one core, processor time.

Both end with the same normalised float32 [3, 32, 224, 224]: brain, subdural and bone window. The peer reads and sorts the slices, makes Hounsfield units, resizes each slice by area
(OpenCV, one thread), takes 32 slices linearly, rounds and applies the windows: what a loader without a cache does each time it shows a study.

usage: taskset -c 0 python volume_throughput.py BUILD/bin/volume_throughput FOLDER_OF_DCM [ROUNDS]
"""
import glob
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import cv2
import numpy as np
import pydicom

warnings.simplefilter("ignore")
cv2.setNumThreads(1)
SLICES, SIDE, WINDOWS = 32, 224, ((40, 80), (80, 200), (600, 2800))


def hounsfield(files):
    slices = [pydicom.dcmread(name) for name in files]
    o = np.array(slices[0].ImageOrientationPatient, float)
    normal = np.cross(o[:3], o[3:])
    slices.sort(key=lambda s: normal @ np.array(s.ImagePositionPatient, float))
    for s in slices:
        slope, intercept = float(s.RescaleSlope), float(s.RescaleIntercept)
        yield np.clip(s.pixel_array.astype(np.float32) * slope + intercept, -1024, 3071).astype(np.float32)


def peer(files):
    planes = np.stack([cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for plane in hounsfield(files)])
    at = np.clip((np.arange(SLICES) + 0.5) * len(planes) / SLICES - 0.5, 0, len(planes) - 1)
    low = np.minimum(at.astype(int), len(planes) - 2)
    weight = (at - low).astype(np.float32)[:, None, None]
    hu = np.rint(planes[low] * (1 - weight) + planes[low + 1] * weight)
    out = np.empty((len(WINDOWS), *hu.shape), np.float32)
    for channel, (level, width) in zip(out, WINDOWS):
        np.clip((hu - (level - width / 2)) / width, 0, 1, out=channel)
        channel -= 0.5
        channel /= 0.5
    return out


def main():
    program, folder, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 7
    files = sorted(glob.glob(folder + "/*.dcm"))
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as work:
        expected = peer(files)
        for _ in range(rounds):
            start = time.process_time()
            peer(files)
            theirs.append(time.process_time() - start)
            lines = subprocess.run([program, folder, work + "/volume", "9", work + "/values"], check=True, capture_output=True, text=True).stdout.split("\n")[:9]
            ours.append([statistics.median(column) for column in zip(*([float(x) for x in line.split()] for line in lines[2:]))])
        found = np.fromfile(work + "/values", np.float32).reshape(expected.shape)
    difference = np.abs(found - expected)
    # A Hounsfield unit is 2 / 80 of the brain window's range; roundings of halves may fall either way.
    if difference.max() > 2 / 80 + 1e-6 or (difference > 1e-5).mean() > 0.01:
        sys.exit(f"the inputs differ: by {difference.max():.4f} at most, {100 * (difference > 1e-5).mean():.3f} % of the values")
    plain, read, augmented, quiet, whole = (statistics.median(column) for column in zip(*ours))
    b = statistics.median(theirs)
    print(f"{len(files)} slices to [3, {SLICES}, {SIDE}, {SIDE}]: liere from the cache {1e3 * plain:.2f} ms ({1e3 * read:.2f} ms of it reading), pydicom {pydicom.__version__}, numpy and OpenCV "
          f"from the files {1e3 * b:.1f} ms, ratio {b / plain:.1f} (median of {rounds}, one core); liere from the files {1e3 * whole:.1f} ms, ratio {b / whole:.1f}")
    print(f"training: map and window changes {1e3 * quiet:.2f} ms, noise too {1e3 * augmented:.2f} ms; inputs differ in {100 * (difference > 1e-5).mean():.4f} % of the values, by "
          f"{difference.max():.4f} at most")


main()
