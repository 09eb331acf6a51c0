"""Kubernetes YAML for the tagger: a sidecar for one workload, or a DaemonSet for a node.

    cuidx manifest sidecar --svc payment.shop.prod | kubectl apply -f -

The sidecar is a native one (an init container with `restartPolicy: Always`, on by default since
Kubernetes 1.29) and fits Pod Security's `restricted`. The DaemonSet reads a hostPath, which
`baseline` forbids: its namespace has to allow `privileged`. Limits are four times what was
measured (docs/tagger.md); no preStop hook is needed: SIGTERM drains.
"""

from __future__ import annotations

IMAGE = "cuidx-tag:0.1.0"
PORT = 8088

_FACTS = """\
            - name: POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            - name: POD_NAMESPACE
              valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
            - name: POD_UID
              valueFrom: {fieldRef: {fieldPath: metadata.uid}}
            - name: POD_IP
              valueFrom: {fieldRef: {fieldPath: status.podIP}}
            - name: NODE_NAME
              valueFrom: {fieldRef: {fieldPath: spec.nodeName}}"""

_PROBES = """\
          ports:
            - {name: health, containerPort: PORT}
          livenessProbe:
            httpGet: {path: /livez, port: health}
            periodSeconds: 20
            timeoutSeconds: 5"""

_RESOURCES = """\
          resources:
            requests: {cpu: 10m, memory: 24Mi}
            limits: {cpu: "1", memory: 64Mi}"""

SIDECAR = """\
# The tagger beside an application that writes to /var/log/app. Replace the container `app`.
# Runs under Pod Security `restricted`. Application and tagger share uid and fsGroup: a file that
# only its owner may read can be read by no other.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  labels: {app.kubernetes.io/name: NAME}
spec:
  replicas: 1
  selector:
    matchLabels: {app.kubernetes.io/name: NAME}
  template:
    metadata:
      labels: {app.kubernetes.io/name: NAME}
    spec:
      terminationGracePeriodSeconds: 30
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      initContainers:
        - name: cuidx-tag
          image: IMAGE
          restartPolicy: Always
          args:
            - --source=/var/log/app
            - --out=/var/log/tagged
            - --health=:PORT
          env:SVC_ENV
FACTS
PROBES
          startupProbe:
            httpGet: {path: /readyz, port: health}
            periodSeconds: 1
            failureThreshold: 60
RESOURCES
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: logs, mountPath: /var/log/app, readOnly: true}
            - {name: tagged, mountPath: /var/log/tagged}
      containers:
        - name: app
          image: app:latest
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: logs, mountPath: /var/log/app}
      volumes:
        - name: logs
          emptyDir: {sizeLimit: 1Gi}
        - name: tagged
          emptyDir: {sizeLimit: 2Gi}
"""

DAEMONSET = """\
# One tagger for a node: /var/log/pods to /var/log/cuidx, one CUID for each container instance.
apiVersion: v1
kind: Namespace
metadata:
  name: cuidx
  labels: {pod-security.kubernetes.io/enforce: privileged}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: cuidx-tag
  namespace: cuidx
  labels: {app.kubernetes.io/name: cuidx-tag}
spec:
  selector:
    matchLabels: {app.kubernetes.io/name: cuidx-tag}
  template:
    metadata:
      labels: {app.kubernetes.io/name: cuidx-tag}
    spec:
      terminationGracePeriodSeconds: 30
      automountServiceAccountToken: false
      priorityClassName: system-node-critical
      tolerations:
        - {operator: Exists}
      securityContext:
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: cuidx-tag
          image: IMAGE
          args:
            - --layout=cri
            - --source=/var/log/pods
            - --out=/var/log/cuidx
            - --state=/var/lib/cuidx
            # The node's disk is finite: what collects /var/log/cuidx has an hour for the end of a
            # log that the kubelet has removed.
            - --keep=3600
            - --health=:PORT
          env:SVC_ENV
FACTS
PROBES
          readinessProbe:
            httpGet: {path: /readyz, port: health}
            periodSeconds: 10
            timeoutSeconds: 5
RESOURCES
          securityContext:
            # The files of /var/log/pods are root's, mode 0640.
            runAsUser: 0
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL], add: [DAC_READ_SEARCH]}
          volumeMounts:
            - {name: pods, mountPath: /var/log/pods, readOnly: true}
            - {name: docker, mountPath: /var/lib/docker/containers, readOnly: true}
            - {name: tagged, mountPath: /var/log/cuidx}
            - {name: state, mountPath: /var/lib/cuidx}
      volumes:
        - name: pods
          hostPath: {path: /var/log/pods, type: Directory}
        - name: docker
          hostPath: {path: /var/lib/docker/containers, type: DirectoryOrCreate}
        - name: tagged
          hostPath: {path: /var/log/cuidx, type: DirectoryOrCreate}
        - name: state
          hostPath: {path: /var/lib/cuidx, type: DirectoryOrCreate}
"""


def manifest(kind: str, *, svc: str = "", image: str = IMAGE, name: str = "") -> str:
    """The YAML of KIND, `sidecar` or `daemonset`.

    SVC is `svc.namespace.cluster`; without it the tagger names a service after its Pod.
    """
    if kind not in ("sidecar", "daemonset"):
        raise ValueError(f"no such manifest: {kind} (sidecar, daemonset)")
    name = name or svc.partition(".")[0] or "app"
    fixed = f"\n            - name: CUIDX_SVC\n              value: {_quoted(svc)}" if svc else ""
    text = SIDECAR if kind == "sidecar" else DAEMONSET
    text = text.replace("name: NAME", f"name: {_quoted(name)}").replace("SVC_ENV", fixed)
    for word, meaning in (("FACTS", _FACTS), ("PROBES", _PROBES), ("RESOURCES", _RESOURCES)):
        text = text.replace(f"{word}\n", f"{meaning}\n")
    return text.replace("PORT", str(PORT)).replace("image: IMAGE", f"image: {_quoted(image)}")


def _quoted(value: str) -> str:
    """VALUE as a YAML string: JSON's form is one."""
    import json

    return json.dumps(value)
