"""A series of native DICOM files -> the sorted int16 volume of Hounsfield units: liere (dicom_throughput) against pydicom and numpy, by turns, one core, processor time.

Both repeat in one process, as preparing many series does; the first series of a process of ours (dictionary, fresh memory) is printed apart.

usage: taskset -c 0 python dicom_throughput.py BUILD/bin/dicom_throughput FOLDER_OF_DCM [ROUNDS]
"""
import glob
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np
import pydicom

warnings.simplefilter("ignore")


def peer(files):
    slices = [pydicom.dcmread(name) for name in files]
    o = np.array(slices[0].ImageOrientationPatient, float)
    normal = np.cross(o[:3], o[3:])
    slices.sort(key=lambda s: normal @ np.array(s.ImagePositionPatient, float))
    volume = np.empty((len(slices), slices[0].Rows, slices[0].Columns), np.int16)
    for i, s in enumerate(slices):
        slope, intercept = float(s.RescaleSlope), float(s.RescaleIntercept)
        hu = s.pixel_array.astype(np.int32)
        hu = hu + int(intercept) if slope == 1 and intercept == int(intercept) else np.rint(hu * slope + intercept)
        volume[i] = np.clip(hu, -1024, 3071)
    return volume


def main():
    program, folder, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 7
    files = sorted(glob.glob(folder + "/*.dcm"))
    ours, theirs, first = [], [], []
    peer(files)
    for _ in range(rounds):
        start = time.process_time()
        volume = peer(files)
        theirs.append(time.process_time() - start)
        lines = subprocess.run([program, folder, "7"], check=True, capture_output=True, text=True).stdout.split("\n")[:7]
        seconds = [float(line.split()[0]) for line in lines]
        first.append(seconds[0])
        ours.append(statistics.median(seconds[2:]))
        weights = np.arange(volume.size, dtype=np.int64) % 1009
        if int(lines[0].split()[1]) != int((volume.ravel().astype(np.int64) * weights).sum()):
            sys.exit("the volumes differ")
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{len(files)} slices, the same volume: liere {1e3 * a:.1f} ms, pydicom {pydicom.__version__} and numpy {1e3 * b:.1f} ms, ratio {b / a:.1f} (median of {rounds}, one core); the first of a process {1e3 * statistics.median(first):.1f} ms")


main()
