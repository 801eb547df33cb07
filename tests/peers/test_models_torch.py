"""Whole networks against the same ones written with PyTorch's modules: names, results, gradients."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.nn import models

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers


def norm_after(tnn, channels, maps, kernel=1, stride=1, groups=1):
    conv = tnn.Conv2d(channels, maps, kernel, stride, kernel // 2, groups=groups, bias=False)
    return conv, tnn.BatchNorm2d(maps)


def vgg16():
    tnn, layers, channels = torch.nn, [], 3
    for maps in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        layers += [tnn.Conv2d(channels, maps, 3, padding=1), tnn.ReLU()] if maps else [tnn.MaxPool2d(2)]
        channels = maps or channels
    return tnn.Sequential(*layers)


def whole_vgg16():
    tnn = torch.nn
    model = tnn.Sequential()
    model.features, model.avgpool = vgg16(), tnn.AdaptiveAvgPool2d(7)
    first, second, last = tnn.Linear(25088, 4096), tnn.Linear(4096, 4096), tnn.Linear(4096, 10)
    model.classifier = tnn.Sequential(first, tnn.ReLU(), tnn.Dropout(), second, tnn.ReLU(), tnn.Dropout(), last)
    model.forward = lambda x: model.classifier(model.avgpool(model.features(x)).flatten(1))
    return model


def resnet(deep, small):
    tnn = torch.nn

    class Block(tnn.Module):
        def __init__(self, channels, width, stride):
            super().__init__()
            out = 4 * width if deep else width
            if deep:
                self.conv1, self.bn1 = norm_after(tnn, channels, width)
                self.conv2, self.bn2 = norm_after(tnn, width, width, 3, stride)
                self.conv3, self.bn3 = norm_after(tnn, width, out)
            else:
                self.conv1, self.bn1 = norm_after(tnn, channels, width, 3, stride)
                self.conv2, self.bn2 = norm_after(tnn, width, width, 3)
            fits = stride == 1 and channels == out
            self.downsample = None if fits else tnn.Sequential(*norm_after(tnn, channels, out, 1, stride))

        def forward(self, x):
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            if deep:
                y = self.bn3(self.conv3(y.relu()))
            return (y + (x if self.downsample is None else self.downsample(x))).relu()

    class Net(tnn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = norm_after(tnn, 3, 64, *((3, 1) if small else (7, 2)))
            channels = 64
            for stage, depth in enumerate((3, 4, 6, 3) if deep else (2, 2, 2, 2)):
                blocks = []
                for number in range(depth):
                    blocks.append(Block(channels, 64 * 2**stage, 2 if stage and not number else 1))
                    channels = 64 * 2**stage * (4 if deep else 1)
                setattr(self, f"layer{stage + 1}", tnn.Sequential(*blocks))
            self.fc = tnn.Linear(channels, 10)

        def forward(self, x):
            x = self.bn1(self.conv1(x)).relu()
            x = x if small else tnn.functional.max_pool2d(x, 3, 2, 1)
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean((2, 3)))

    return Net()


def mobilenet():
    tnn = torch.nn

    class Inverted(tnn.Module):
        def __init__(self, channels, maps, stride, expansion):
            super().__init__()
            wide, self.fits = channels * expansion, stride == 1 and channels == maps
            expand = [tnn.Sequential(*norm_after(tnn, channels, wide), tnn.ReLU6())] if expansion > 1 else []
            deep = tnn.Sequential(*norm_after(tnn, wide, wide, 3, stride, wide), tnn.ReLU6())
            self.conv = tnn.Sequential(*expand, deep, *norm_after(tnn, wide, maps))

        def forward(self, x):
            return x + self.conv(x) if self.fits else self.conv(x)

    layers = [tnn.Sequential(*norm_after(tnn, 3, 32, 3, 2), tnn.ReLU6())]
    maps = [16] + [24] * 2 + [32] * 3 + [64] * 4 + [96] * 3 + [160] * 3 + [320]
    halved = {1, 3, 6, 13}  # the first block of 24, 32, 64 and 160 maps
    for number, (before, after) in enumerate(zip([32, *maps], maps)):
        layers.append(Inverted(before, after, 2 if number in halved else 1, 6 if number else 1))
    layers.append(tnn.Sequential(*norm_after(tnn, 320, 1280), tnn.ReLU6()))
    model = tnn.Sequential()
    model.features = tnn.Sequential(*layers)
    model.classifier = tnn.Sequential(tnn.Dropout(0.2), tnn.Linear(1280, 10))
    model.forward = lambda x: model.classifier(model.features(x).mean((2, 3)))
    return model


NETWORKS = {
    "vgg16 features": (lambda: models.vgg16_features(dtype=np.float64), vgg16, (2, 3, 32, 32)),
    "resnet18": (lambda: models.ResNet18(10, dtype=np.float64), lambda: resnet(False, False), (3, 3, 64, 64)),
    "resnet18, small images": (
        lambda: models.ResNet18(10, small_images=True, dtype=np.float64),
        lambda: resnet(False, True),
        (3, 3, 16, 16),
    ),
    "resnet50": (lambda: models.ResNet50(10, dtype=np.float64), lambda: resnet(True, False), (3, 3, 64, 64)),
    "mobilenet": (lambda: models.MobileNetV2(10, dropout=0, dtype=np.float64), mobilenet, (3, 3, 64, 64)),
}


def loaded(name):
    """Return both networks with the same weights, and images."""
    make, peer, shape = NETWORKS[name]
    ours, theirs = make(), peer().double()
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()}, strict=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    return ours, theirs, np.random.default_rng(0).standard_normal(shape)


def close(ours, theirs):
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9 * np.abs(expected).max() + 1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_results_gradients_and_statistics_agree(name):
    ours, theirs, images = loaded(name)
    y, expected = ours(images), theirs(torch.tensor(images))
    close(y.data, expected)
    weights = np.random.default_rng(1).standard_normal(y.shape)
    (y * weights).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()
    for (key, parameter), (other, peer) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert key == other
        close(parameter.grad, peer.grad)
    for (key, buffer), (other, peer) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert key == other
        close(buffer, peer)


@pytest.mark.parametrize("name", NETWORKS)
def test_they_agree_in_evaluation(name):
    ours, theirs, images = loaded(name)
    ours.eval(), theirs.eval()
    close(ours(images).data, theirs(torch.tensor(images)))


def test_the_whole_of_vgg16():
    """With its classifier, in float32, since it has 134 million weights."""
    ours, theirs = models.VGG16(10, rng=0).eval(), whole_vgg16().eval()
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()}, strict=True)
    images = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    with torch.no_grad(), sl.no_grad():
        expected = theirs(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(ours(images).data, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
