"""The measured networks, written for PyTorch as its users write them; with the names of our parameters."""

from typing import Any

__all__ = ["build"]


def build(torch: Any, name: str) -> Any:
    """Return a network of `sevenloops.bench.networks.NETWORKS` as a module of PyTorch.

    Parameters
    ----------
    torch : module
        PyTorch, so that this file can be imported without it.
    name : str
    """
    makers = {
        "lenet5": lambda: _lenet5(torch),
        "resnet18-cifar": lambda: _resnet(torch, _basic(torch), 1, (2, 2, 2, 2), 10, small=True),
        "vgg16": lambda: _vgg16(torch),
        "resnet50": lambda: _resnet(torch, _bottleneck(torch), 4, (3, 4, 6, 3), 1000, small=False),
    }
    return makers[name]()


def _lenet5(torch: Any) -> Any:
    nn, functional = torch.nn, torch.nn.functional

    class LeNet5(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2, self.conv3 = (
                nn.Conv2d(1, 6, 5, padding=2),
                nn.Conv2d(6, 16, 5),
                nn.Conv2d(16, 120, 5),
            )
            self.fc1, self.fc2 = nn.Linear(120, 84), nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = functional.avg_pool2d(torch.tanh(self.conv1(x)), 2)
            x = functional.avg_pool2d(torch.tanh(self.conv2(x)), 2)
            x = torch.tanh(self.conv3(x)).flatten(1)
            return self.fc2(torch.tanh(self.fc1(x)))

    return LeNet5()


def _vgg16(torch: Any) -> Any:
    nn = torch.nn

    class VGG16(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            channels = 3
            for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
                for _ in range(depth):
                    layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                    channels = width
                layers.append(nn.MaxPool2d(2))
            self.features, self.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(7)
            hidden = [nn.Linear(25088, 4096), nn.ReLU(inplace=True), nn.Dropout()]
            hidden += [nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout()]
            self.classifier = nn.Sequential(*hidden, nn.Linear(4096, 1000))

        def forward(self, x: Any) -> Any:
            return self.classifier(self.avgpool(self.features(x)).flatten(1))

    return VGG16()


def _normed(torch: Any, channels: int, width: int, kernel: int, stride: int = 1) -> tuple[Any, Any]:
    conv = torch.nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
    return conv, torch.nn.BatchNorm2d(width)


def _shortcut(torch: Any, channels: int, width: int, stride: int) -> Any:
    if stride == 1 and channels == width:
        return torch.nn.Identity()
    return torch.nn.Sequential(*_normed(torch, channels, width, 1, stride))


def _basic(torch: Any) -> Any:
    class Basic(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = _normed(torch, channels, width, 3, stride)
            self.conv2, self.bn2 = _normed(torch, width, width, 3)
            self.downsample, self.relu = _shortcut(torch, channels, width, stride), torch.nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += self.downsample(x)
            return self.relu(y)

    return Basic


def _bottleneck(torch: Any) -> Any:
    class Bottleneck(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = _normed(torch, channels, width, 1)
            self.conv2, self.bn2 = _normed(torch, width, width, 3, stride)
            self.conv3, self.bn3 = _normed(torch, width, 4 * width, 1)
            self.downsample, self.relu = _shortcut(torch, channels, 4 * width, stride), torch.nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
            y += self.downsample(x)
            return self.relu(y)

    return Bottleneck


def _resnet(torch: Any, block: Any, expansion: int, depths: tuple[int, ...], classes: int, *, small: bool) -> Any:
    nn = torch.nn

    class ResNet(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = _normed(torch, 3, 64, 3) if small else _normed(torch, 3, 64, 7, 2)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
            channels = 64
            for stage, depth in enumerate(depths):
                blocks = []
                for number in range(depth):
                    blocks.append(block(channels, 64 << stage, 2 if stage and not number else 1))
                    channels = (64 << stage) * expansion
                self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, classes)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(self.avgpool(x).flatten(1))

    return ResNet()
