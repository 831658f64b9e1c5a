"""Tests of the manifests in k8s/, on the objects that kustomize renders from them."""
