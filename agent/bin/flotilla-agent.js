#!/usr/bin/env node
import '../dist/supervisor/main.js';
