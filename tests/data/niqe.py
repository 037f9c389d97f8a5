#!/usr/bin/env python3
"""Writes made_up.npz, in the form of NIQE's pristine model but with made-up numbers, and order.npz, and prints what the
tests of src/host/judge compare with.

    pip install numpy pillow && python3 niqe.py JUDGE.py PRISTINE.npz

JUDGE.py is an independent NIQE in numpy (a class Niqe with mu, cov, win, and __call__ of H x W x 3 bytes) that gives 5.72957
for BasicSR's baboon.png, as the authors' MATLAB program does. PRISTINE.npz is the authors' model.
"""
import importlib.util
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent


def made_up():
    i = np.arange(36)
    mu = (0.3 + (i * 7 % 11) / 8)[None]
    root = np.cos(np.add.outer(i * i, 3 * i) * 0.17) / (1 + np.abs(np.subtract.outer(i, i)))
    t = np.exp(-(np.arange(7) - 3.0) ** 2 / (2 * (7 / 6) ** 2))
    t /= t.sum()
    cov = root @ root.T / 36 + np.diag(0.01 + i / 500)
    return {'mu_pris_param': mu, 'cov_pris_param': np.asfortranarray(cov), 'gaussian_window': np.outer(t, t)}


def picture(width, height, flat=0):
    """Waves and noise; `flat` columns at the left are of one colour."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing='ij')
    noise = (x * x * 31 + y * y * 17 + x * y * 7 + c * 59) * 2654435761 % 2**32 >> 27
    level = (x // 3 * (1 + c) + y // 2 * 3 + x * y // 40) % 200 + noise
    return np.where(x < flat, 77, level).astype(np.uint8)


def main(judge, pristine):
    spec = importlib.util.spec_from_file_location('judge', judge)
    judge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judge)
    np.savez_compressed(HERE / 'made_up.npz', **made_up())
    np.savez(HERE / 'order.npz', rows=np.arange(6.0).reshape(2, 3), columns=np.asfortranarray(np.arange(6, dtype='<f4').reshape(2, 3)),
             one=np.float64(7.5), whole=np.arange(3))
    niqe = judge.Niqe()
    for name, model in (('made up', HERE / 'made_up.npz'), ('pristine', pristine)):
        model = np.load(model)
        niqe.mu, niqe.cov = model['mu_pris_param'].ravel(), model['cov_pris_param']
        niqe.win = model['gaussian_window'].sum(0)
        for size in ((200, 300), (96, 96), (290, 200, 100)):
            print(name, size, repr(niqe(picture(*size))))
    n = 6
    print('eigenvalues', np.linalg.eigvalsh(1 / (np.add.outer(np.arange(n), np.arange(n)) + 1)).tolist())
    x = np.array([1., -2, 3, -4])
    b = np.array([[1., 2, 0, 1], [2, 4, 0, 2], [0, 0, -3, 1], [1, 2, 1, 5]])
    print('form', x @ np.linalg.pinv(b) @ x)
    i = np.arange(5000)
    v = np.sin(i * i * 0.37) ** 3 * np.where(i % 3 == 0, 2.0, 0.5) + 0.1 * np.cos(i * 0.9)
    a, l, r = niqe._aggd(v)
    g = judge.math.gamma
    print('fit', a, l, r, (r - l) * g(2 / a) / g(1 / a))
    h = np.arange(96 * 96.0).reshape(96, 96) ** 2 % 251
    half = judge.imresize(h, 48, 48)
    print('half', half[0, 0], half[47, 47], half[0, 23], half[20, 31])
    niqe.win = made_up()['gaussian_window'].sum(0)
    norm = niqe._normalise(h)
    print('normalised', norm[0, 0], norm[95, 95], norm[0, 40], norm[50, 61])


if __name__ == '__main__':
    main(*sys.argv[1:])
