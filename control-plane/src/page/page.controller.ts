import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Get, Header, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { packageFolder } from '../package-folder.js';

// Not compiled: served from src/ as they are, wherever this code runs.
const asset = (name: string) => readFileSync(join(packageFolder, 'src', 'page', name), 'utf8');
const assets = { html: asset('index.html'), style: asset('page.css') };
const scripts = new Map(['page.js', 'page-dom.js', 'page-live.js', 'page-rollouts.js'].map((name) => [name, asset(name)]));

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const Secured =
  (type: string): MethodDecorator =>
  (target, key, descriptor) => {
    const headers = {
      'content-type': type,
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    };
    for (const [name, value] of Object.entries(headers)) Header(name, value)(target, key, descriptor);
  };

/** The status page: it holds nothing secret, the browser asks the API with the admin token. */
@ApiExcludeController()
@Controller()
export class PageController {
  @Get()
  @Secured('text/html; charset=utf-8')
  html() {
    return assets.html;
  }

  @Get([...scripts.keys()])
  @Secured('text/javascript; charset=utf-8')
  script(@Req() { url }: FastifyRequest) {
    return scripts.get(url.slice(1).split('?')[0]!);
  }

  @Get('page.css')
  @Secured('text/css; charset=utf-8')
  style() {
    return assets.style;
  }
}
